"""A step leaves no thread of a connection pool: the end of its process would wait five seconds for each."""

import threading
from pathlib import Path

from steps import erase_user, materialize, remove_month
from tests.conftest import JANUARY


def threads_of_pools() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("pool-")]


def test_steps_of_the_online_store_close_their_pools(january: Path) -> None:
    user = (january / "users.csv").read_text().splitlines()[1].split(",")[0]
    for run in (
        lambda: materialize.main(["--as-of", str(JANUARY)]),
        lambda: remove_month.main(["--as-of", str(JANUARY), "--apply=false"]),
        lambda: erase_user.main([f"--user-id={user}", "--user-id-file=", "--dry-run=true"]),
    ):
        before = threads_of_pools()
        run()
        assert threads_of_pools() == before
