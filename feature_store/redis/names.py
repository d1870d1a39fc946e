"""What our keys in Redis are called. A month has a name that begins with its day and never comes again."""

from datetime import UTC, datetime


def online_key(project: str) -> str:
    """Holds the name of the month that is read."""
    return f"{project}:online"


def next_key(project: str) -> str:
    """Holds the name of the month that is being written, or was last."""
    return f"{project}:next"


def values_key(entity_key: bytes, project: str, month: bytes | None) -> bytes:
    """Where a user's values are: Feast's own key where no month was ever put online."""
    return entity_key + project.encode() + (b"/" + month if month else b"")


def moment_of(month: bytes) -> datetime:
    return datetime.fromisoformat(month.decode().split(".")[0]).replace(tzinfo=UTC)


def field_of_times(view: str) -> bytes:
    """The field of a user's hash that holds the event time of the view's values."""
    return f"_ts:{view}".encode()
