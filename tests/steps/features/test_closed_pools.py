"""A step leaves no thread of a connection pool: the end of its process would wait five seconds for each."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from steps import erase_user, materialize, remove_month
from tests.conftest import JANUARY

Run = tuple[Callable[[Sequence[str]], None], list[str]]


def threads_of_pools() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("pool-")]


def test_steps_of_the_online_store_close_their_pools(january: Path) -> None:
    user = (january / "users.csv").read_text().splitlines()[1].split(",")[0]
    runs: list[Run] = [
        (materialize.main, ["--as-of", str(JANUARY)]),
        (remove_month.main, ["--as-of", str(JANUARY), "--apply=false"]),
        (erase_user.main, [f"--user-id={user}", "--user-id-file=", "--dry-run=true"]),
    ]
    for main, arguments in runs:
        before = threads_of_pools()
        main(arguments)
        assert threads_of_pools() == before
