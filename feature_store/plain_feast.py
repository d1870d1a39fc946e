"""Imports Feast without typeguard's instrumentation: one of the two places where the project replaces something of
another package's (tests/test_house_rules.py knows both).

Feast decorates its classes with typeguard's `typechecked`, which parses and recompiles every method at import:
5 of the 7 seconds that `import feast` took on two slow cores. typeguard calls these checks a development aid and drops
them under `python -O`, which would drop our own assertions too; it has no other switch.
"""

import importlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# two threads at once would each take the other's stand-in for the original
_importing = threading.Lock()


def import_feast() -> Any:
    """The feast package, imported without typeguard's instrumentation when this is the first import of it."""
    with _importing, _unchecked_classes():
        return importlib.import_module("feast")


@contextmanager
def _unchecked_classes() -> Iterator[None]:
    typeguard: Any = importlib.import_module("typeguard")
    original = typeguard.typechecked
    typeguard.typechecked = _unchecked
    try:
        yield
    finally:
        typeguard.typechecked = original


def _unchecked(target: Any = None, **_options: Any) -> Any:
    return target if target is not None else _unchecked
