"""The names of our keys in Redis. A month's name begins with its day and is never reused."""

from datetime import UTC, datetime


def online_key(project: str) -> str:
    """Holds the name of the month that is online."""
    return f"{project}:online"


def next_key(project: str) -> str:
    """Holds the name of the month that is being written, or was written last."""
    return f"{project}:next"


def values_key(entity_key: bytes, project: str, month: bytes | None) -> bytes:
    """The key of a user's values. It is Feast's own key if no month was ever put online."""
    return entity_key + project.encode() + (b"/" + month if month else b"")


def moment_of(month: bytes) -> datetime:
    return datetime.fromisoformat(month.decode().split(".")[0]).replace(tzinfo=UTC)


def event_time_field(view: str) -> bytes:
    """The field of a user's hash that holds the event time of the view's values."""
    return f"_ts:{view}".encode()
