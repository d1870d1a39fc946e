"""One at a time, across processes and machines: PostgreSQL keeps the locks and drops them with their holder."""

from collections.abc import Iterator
from contextlib import contextmanager

from steps.warehouse.connection import transaction

PROMOTION_LOCK = 0x57F11  # any fixed number that is not another lock's


@contextmanager
def promotion_lock() -> Iterator[None]:
    """Held while it is decided who is in Production. Raises DatabaseUnavailable when another holds it for a minute."""
    with transaction(busy="another promotion") as cur:
        cur.execute("SELECT pg_advisory_xact_lock(%s)", (PROMOTION_LOCK,))
        yield
