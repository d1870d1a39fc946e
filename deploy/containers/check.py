"""python -m deploy.containers.check FOLDER: what the containers promise, asked of them from outside as they run.

FOLDER holds docker-compose.yml and .env; `up -d` was done. Prints what it saw and how long it took; exit code 1 at the
first promise that is not kept. STREAMFLOW_COMMIT is what the image was built with.
"""

import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from deploy.containers.outside import Containers, NotKept, kept

PAUSE_S = 0.05
AS_OF = "2024-01-31"
HERE = Path(__file__).parent
ASK = "import psycopg2, sys; cur = psycopg2.connect('').cursor(); cur.execute(sys.argv[1]); sys.exit(cur.rowcount < 1)"


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


def gateway_reads_features_only(containers: Containers) -> None:
    """Asked as the gateway is: in its container, with its environment. The month online is one exchanged in."""
    may, may_not = ((HERE / f"reader_{what}.sql").read_text().splitlines() for what in ("may", "may_not"))
    for statement in may:
        containers.compose("exec", "-T", "gateway", "python", "-c", ASK, statement)
    for statement in may_not:
        try:
            containers.compose("exec", "-T", "gateway", "python", "-c", ASK, statement)
        except NotKept as refused:
            kept("InsufficientPrivilege" in str(refused), str(refused))
        else:
            raise NotKept(f"the gateway's role may {statement}")
    print(f"  the gateway's role reads features online, and is refused {len(may_not)} other statements")


def lake_is_written(containers: Containers) -> None:
    files = containers.compose("run", "--rm", "-T", "pipeline", "find", "/lake", "-name", "*.parquet").count(".parquet")
    kept(files > 0, "no Parquet file is in the lake")
    print(f"  the lake has {files} Parquet files")


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
    kept("[OK] Every link holds: " in lineage, lineage)
    commit = os.environ["STREAMFLOW_COMMIT"]
    kept(f"{commit}, this checkout is the same" in lineage, f"lineage does not name the commit {commit}:\n{lineage}")
    print(
        f"  down and up: the same answer {time.monotonic() - started:.1f} s later, and every link of its lineage holds"
    )


def main() -> None:
    containers = Containers(Path(sys.argv[1]))
    started = time.monotonic()
    try:
        user = first_prediction(containers)
        unknown_user(containers)
        gateway_reads_features_only(containers)
        lake_is_written(containers)
        promotion_swaps(containers, user)
        postgres_restarts(containers, user)
        data_stays(containers, user)
    except NotKept as error:
        sys.exit(f"[FAILED] {error}")
    print(f"[OK] The containers keep what they promise ({time.monotonic() - started:.0f} s)")


if __name__ == "__main__":
    main()
