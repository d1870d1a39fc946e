"""python containers/check.py FOLDER: everything the containers promise, asked of them from outside while they run.

FOLDER holds docker-compose.yml and .env; `up -d` was done. Prints what it saw and how long it took; exit code 1 at the
first promise that is not kept.
"""

import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
from dotenv import dotenv_values

MODEL = "streamflow_churn"
ANSWER_TIMEOUT_S = 10.0
PAUSE_S = 0.05
AS_OF = "2024-01-31"


class NotKept(AssertionError):
    """A promise that the containers did not keep."""


class Containers:
    """The services of one folder, as somebody outside has them: Compose's commands and two ports."""

    def __init__(self, folder: Path) -> None:
        settings = dotenv_values(folder / ".env")
        self._folder = folder
        self._compose = ["docker-compose"] if shutil.which("docker-compose") else ["docker", "compose"]
        self.mlflow = f"http://127.0.0.1:{settings['MLFLOW_PORT']}"
        self.gateway = f"http://127.0.0.1:{settings['GATEWAY_PORT']}"

    def compose(self, *words: str, timeout_s: float = 600) -> str:
        done = subprocess.run(  # noqa: S603 - Compose with our own words
            [*self._compose, *words],
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        kept(done.returncode == 0, f"compose {' '.join(words)}: exit code {done.returncode}\n{done.stdout}")
        return done.stdout

    def step(self, *words: str) -> str:
        """One shot of the service pipeline."""
        said = self.compose("run", "--rm", "-T", "pipeline", *words)
        for line in said.splitlines():
            if line.startswith(("[OK]", "[REFUSED]", "$")):
                print(f"    {line}")
        return said

    def predict(self, user: str) -> requests.Response:
        return requests.post(f"{self.gateway}/predict", json={"user_id": user}, timeout=ANSWER_TIMEOUT_S)

    def status(self, user: str) -> int | str:
        try:
            return self.predict(user).status_code
        except requests.RequestException as error:
            return type(error).__name__

    def version(self, user: str) -> str | None:
        try:
            answer = self.predict(user)
            return str(answer.json()["model"]["version"]) if answer.ok else None
        except requests.RequestException:
            return None

    def promote(self, version: str) -> None:
        """What the button in MLflow's UI does."""
        asked = {"name": MODEL, "version": version, "stage": "Production", "archive_existing_versions": True}
        address = f"{self.mlflow}/api/2.0/mlflow/model-versions/transition-stage"
        requests.post(address, json=asked, timeout=ANSWER_TIMEOUT_S).raise_for_status()


def kept(promise: bool, otherwise: str) -> None:
    if not promise:
        raise NotKept(otherwise)


def until(is_so: Callable[[], bool], seconds: float, what: str) -> float:
    """Seconds it took. Raises NotKept."""
    started = time.monotonic()
    while not is_so():
        kept(time.monotonic() - started < seconds, f"{what}: not after {seconds:g} s")
        time.sleep(PAUSE_S)
    return time.monotonic() - started


@contextmanager
def requests_all_the_while(containers: Containers, user: str) -> Iterator["Counter[int | str]"]:
    """Status -> how many, of predictions asked for one after the other until the block ends."""
    seen: Counter[int | str] = Counter()
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            seen[containers.status(user)] += 1
            time.sleep(PAUSE_S)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield seen
    finally:
        over.set()
        asking.join()


def first_prediction(containers: Containers) -> str:
    """A fresh clone reaches a prediction. Returns a user that is known."""
    took = until(lambda: containers.status("anybody") == requests.codes.unavailable, 60, "a refusal without a model")
    print(f"  gateway answers {took:.1f} s after `up -d`: 503, nothing is in Production")
    containers.step()
    user = containers.compose("run", "--rm", "-T", "pipeline", "sed", "-n", "2s/,.*//p", "/data/month_000/users.csv")
    user = user.strip().splitlines()[-1]
    took = until(lambda: containers.status(user) == requests.codes.ok, 120, "the first prediction")
    print(f"  first prediction {took:.1f} s after the pipeline's end: {containers.predict(user).text.strip()}")
    return user


def unknown_user(containers: Containers) -> None:
    answer = containers.predict("999999")
    body: dict[str, Any] = answer.json()
    kept(answer.status_code == requests.codes.not_found, f"an unknown user got {answer.status_code}")
    kept(body["error"] == "Missing features for user_id=999999" and len(body["missing_features"]) > 0, str(body))
    print(f"  unknown user: {answer.status_code} {body['error']}, {len(body['missing_features'])} missing features")


def promotion_swaps(containers: Containers, user: str) -> None:
    """By the step, then back by what the UI's button calls; no request fails meanwhile."""
    with requests_all_the_while(containers, user) as seen:
        train = ["mlflow", "run", ".", "-e", "train", "-P", f"as_of={AS_OF}"]
        containers.step(*train, "-P", "model=hist_gradient_boosting")
        containers.step("mlflow", "run", ".", "-e", "register", "-P", f"as_of={AS_OF}", "-P", "force=true")
        there = until(lambda: containers.version(user) == "2", 60, "the swap to version 2")
        containers.promote("1")
        back = until(lambda: containers.version(user) == "1", 60, "the swap back to version 1")
    kept(set(seen) == {200}, f"requests during the swaps: {dict(seen)}")
    print(f"  swap to version 2 after {there:.1f} s, back to 1 after {back:.1f} s; {seen.total()} requests, all 200")


def postgres_restarts(containers: Containers, user: str) -> None:
    with requests_all_the_while(containers, user) as seen:
        started = time.monotonic()
        containers.compose("restart", "postgres")
        until(lambda: containers.status(user) == requests.codes.ok, 60, "a prediction after the restart of postgres")
        took = time.monotonic() - started
        time.sleep(2)
    kept(set(seen) <= {200, 503}, f"requests during the restart: {dict(seen)}")
    print(f"  postgres restarted under requests: right again {took:.1f} s after; answers {dict(seen)}")


def data_stays(containers: Containers, user: str) -> None:
    before = containers.predict(user).json()
    containers.compose("down")
    started = time.monotonic()
    containers.compose("up", "-d")
    until(lambda: containers.status(user) == requests.codes.ok, 120, "a prediction after down and up")
    after = containers.predict(user).json()
    kept(after == before, f"after down and up the answer is another: {before} {after}")
    lineage = containers.step("mlflow", "run", ".", "-e", "lineage")
    kept("[OK] Every link holds." in lineage, lineage)
    print(
        f"  down and up: the same answer {time.monotonic() - started:.1f} s later, and every link of its lineage holds"
    )


def main() -> None:
    containers = Containers(Path(sys.argv[1]))
    started = time.monotonic()
    try:
        user = first_prediction(containers)
        unknown_user(containers)
        promotion_swaps(containers, user)
        postgres_restarts(containers, user)
        data_stays(containers, user)
    except NotKept as error:
        sys.exit(f"[FAILED] {error}")
    print(f"[OK] The containers keep what they promise ({time.monotonic() - started:.0f} s)")


if __name__ == "__main__":
    main()
