"""python -m deploy.containers.check FOLDER: checks the running containers from outside.

FOLDER contains docker-compose.yml and .env, after `up -d`. Prints each result and its time; exit code 1 at the first
failure. STREAMFLOW_COMMIT is the commit that the image was built with.
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

from deploy.containers import isolation, monitoring, rights
from deploy.containers.outside import CheckFailed, Containers, require
from rollout import loopback

PAUSE_S = 0.05
AS_OF = "2024-01-31"


def until(condition: Callable[[], bool], seconds: float, event: str) -> float:
    """Wait for the condition. Returns the seconds it took. Raises CheckFailed."""
    started = time.monotonic()
    while not condition():
        require(time.monotonic() - started < seconds, f"{event}: not after {seconds:g} s")
        time.sleep(PAUSE_S)
    return time.monotonic() - started


@contextmanager
def continuous_requests(containers: Containers, user: str) -> Iterator["Counter[int | str]"]:
    """Status -> count of predictions requested one after the other until the block ends."""
    statuses: Counter[int | str] = Counter()
    stopped = threading.Event()

    def send() -> None:
        while not stopped.is_set():
            status, text = containers.answer(user)
            if status not in (requests.codes.ok, *statuses):
                print(f"  the first answer {status}: {text}")
            statuses[status] += 1
            time.sleep(PAUSE_S)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield statuses
    finally:
        stopped.set()
        sender.join()


def first_prediction(containers: Containers) -> str:
    """The first month leads to a prediction. Returns a user of that month."""
    seconds = until(lambda: containers.status("anybody") == requests.codes.unavailable, 60, "a refusal without a model")
    print(f"  gateway answers {seconds:.1f} s after `up -d`: 503, nothing is in Production")
    isolation.check(containers)
    containers.step()
    user = containers.compose("run", "--rm", "-T", "pipeline", "sed", "-n", "2s/,.*//p", "/data/month_000/users.csv")
    user = user.strip().splitlines()[-1]
    seconds = until(lambda: containers.status(user) == requests.codes.ok, 120, "the first prediction")
    print(f"  first prediction {seconds:.1f} s after the pipeline's end: {containers.predict(user).text.strip()}")
    return user


def unknown_user(containers: Containers) -> None:
    answer = containers.predict("999999")
    body: dict[str, Any] = answer.json()
    require(answer.status_code == requests.codes.not_found, f"an unknown user got {answer.status_code}")
    require(body["error"] == "Missing features for user_id=999999" and len(body["missing_features"]) > 0, str(body))
    print(f"  unknown user: {answer.status_code} {body['error']}, {len(body['missing_features'])} missing features")


def lake_is_written(containers: Containers) -> None:
    files = containers.compose("run", "--rm", "-T", "pipeline", "find", "/lake", "-name", "*.parquet").count(".parquet")
    require(files > 0, "no Parquet file is in the lake")
    print(f"  the lake has {files} Parquet files")


def promotion_swaps(containers: Containers, user: str) -> None:
    """Promote with the step, then back with the call of the UI's button; no request may fail meanwhile."""
    with continuous_requests(containers, user) as statuses:
        train = ["mlflow", "run", ".", "-e", "train", "-P", f"as_of={AS_OF}"]
        containers.step(*train, "-P", "model=hist_gradient_boosting")
        containers.step("mlflow", "run", ".", "-e", "register", "-P", f"as_of={AS_OF}", "-P", "force=true")
        forth_s = until(lambda: containers.version(user) == "2", 60, "the swap to version 2")
        containers.promote("1")
        back_s = until(lambda: containers.version(user) == "1", 60, "the swap back to version 1")
    require(set(statuses) == {200}, f"requests during the swaps: {dict(statuses)}")
    print(f"  swap to version 2 in {forth_s:.1f} s, back to 1 in {back_s:.1f} s; {statuses.total()} requests, all 200")


def pages_answer(containers: Containers, user: str) -> None:
    pages = containers.pages()
    require(pages.first.url.endswith("/sign-in"), f"without a key, the console shows {pages.first.url}")
    now = pages.get("/")
    require('id="live-version">1<' in now and ">down<" not in now, f"the console's page Now:\n{now}")
    for path in ("/customer", "/call-list", "/monitoring", "/decisions"):
        pages.get(path)
    answer = pages.get("/customer", user_id=user)
    require(user in answer and "needs a key" not in answer, f"the console's page of a customer:\n{answer}")
    print("  the console asks for a key, then shows version 1, every part as ok, and a customer's answer")


def a_person_approves_on_the_page(containers: Containers, user: str) -> None:
    register = f"mlflow run . -e register -P as_of={AS_OF} -P promote=ask -P force=true"
    containers.step("sh", "-c", f"{register} || true")  # a version that waits is exit code 2
    pages = containers.pages()
    page = pages.send("/decisions", "/decisions/2", action="approve")
    require("ann asked to approve it" in page, f"the console's page after an approval:\n{page}")
    seconds = until(lambda: containers.version(user) == "2", 180, "the swap to the version that a person approved")
    require("No version waits" in pages.get("/decisions"), "the version that was approved still waits")
    containers.promote("1")
    until(lambda: containers.version(user) == "1", 60, "the swap back to version 1")
    print(
        f"  ann approves version 2 on the page; `requests` carries it out, and version 2 answers after {seconds:.1f} s"
    )


def postgres_restarts(containers: Containers, user: str) -> None:
    with continuous_requests(containers, user) as statuses:
        started = time.monotonic()
        containers.compose("restart", "postgres")
        until(lambda: containers.status(user) == requests.codes.ok, 60, "a prediction after the restart of postgres")
        seconds = time.monotonic() - started
        time.sleep(2)
    require(set(statuses) <= {200, 503}, f"requests during the restart: {dict(statuses)}")
    print(f"  postgres restarted during requests: predictions again after {seconds:.1f} s; statuses {dict(statuses)}")


def data_stays(containers: Containers, user: str) -> None:
    before = containers.predict(user).json()
    containers.compose("down")
    started = time.monotonic()
    containers.compose("up", "-d")
    until(lambda: containers.status(user) == requests.codes.ok, 120, "a prediction after down and up")
    seconds = time.monotonic() - started
    after = containers.predict(user).json()
    require(after == before, f"after down and up the answer differs: {before} {after}")
    lineage = containers.step("mlflow", "run", ".", "-e", "lineage")
    require("[OK] Every link holds: " in lineage, lineage)
    commit = os.environ["STREAMFLOW_COMMIT"]
    require(f"{commit}, this checkout is the same" in lineage, f"lineage does not name the commit {commit}:\n{lineage}")
    print(f"  down and up: the same answer {seconds:.1f} s after `up -d` began, and every link of its lineage holds")


def main() -> None:
    os.environ.update(loopback.proxy_exceptions(os.environ))
    containers = Containers(Path(sys.argv[1]))
    started = time.monotonic()
    try:
        user = first_prediction(containers)
        unknown_user(containers)
        rights.check(containers)
        lake_is_written(containers)
        monitoring.check(containers, user)
        pages_answer(containers, user)
        promotion_swaps(containers, user)
        a_person_approves_on_the_page(containers, user)
        postgres_restarts(containers, user)
        data_stays(containers, user)
    except CheckFailed as error:
        sys.exit(f"[FAILED] {error}")
    print(f"[OK] The containers pass every check ({time.monotonic() - started:.0f} s)")


if __name__ == "__main__":
    main()
