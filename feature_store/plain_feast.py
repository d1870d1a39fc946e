"""Imports Feast without typeguard's instrumentation: one of the two places where the project replaces something in
another package (tests/test_house_rules.py lists both).

Feast decorates its classes with typeguard's `typechecked`, which parses and recompiles every method at import:
5 of the 7 seconds of `import feast` on two slow cores. typeguard calls these checks a development aid and drops them
under `python -O`, which would drop our own assertions too. It has no other switch.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# two threads at once would each take the other's replacement for the original
_importing = threading.Lock()


def import_feast() -> Any:
    """The feast package, imported without typeguard's instrumentation if this is its first import."""
    with _importing, _unchecked_classes():
        import feast  # noqa: PLC0415

        return feast


@contextmanager
def _unchecked_classes() -> Iterator[None]:
    import typeguard  # noqa: PLC0415

    original = typeguard.typechecked
    typeguard.typechecked = _unchecked
    try:
        yield
    finally:
        typeguard.typechecked = original


def _unchecked(target: Any = None, **_options: Any) -> Any:
    return target if target is not None else _unchecked
