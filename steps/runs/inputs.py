"""The digest of what a step is made from, as a tag of its run from its beginning: a finished run with the same digest
has the same result, and the step need not run again."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

INPUTS_TAG = "streamflow.inputs_sha256"
_next_run: ContextVar[str | None] = ContextVar("inputs of the next run", default=None)


@contextmanager
def of_next_run(sha256: str) -> Iterator[None]:
    """The first step that begins in the block is made from these inputs; steps that it starts itself are not."""
    token = _next_run.set(sha256)
    try:
        yield
    finally:
        _next_run.reset(token)


def take() -> dict[str, str]:
    """The tag of the step that begins now."""
    sha256 = _next_run.get()
    _next_run.set(None)
    return {INPUTS_TAG: sha256} if sha256 else {}


def digest(step: str, inputs: Mapping[str, object]) -> str:
    """One sha256 for all that a step or a decision follows from: the same digest means the same result."""
    text = json.dumps([step, inputs], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
