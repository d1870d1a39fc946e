"""What the stack does in the database while it runs."""

from typing import Protocol

from local_stack.database.long_transactions import LongTransactions
from local_stack.database.prediction_log import LogDays
from local_stack.settings import Settings


class Background(Protocol):
    def start(self) -> None: ...
    def stop(self) -> None: ...


def background_threads(settings: Settings) -> list[Background]:
    """Not started."""
    return [LogDays(settings), *([LongTransactions(settings)] if settings.embedded else [])]
