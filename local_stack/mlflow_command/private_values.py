"""Values that MLflow must not record: it keeps the parameters of every run."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from local_stack.mlflow_command.options import PARAMETER, Token, value_of

ENTRY_POINT, NAME = "erase_user", "user_id"


@contextmanager
def in_files(tokens: Sequence[Token]) -> Iterator[list[Token]]:
    """The same command line of `run`, with the user_id of erase_user in a file, which only this user can read and which
    is deleted after the block. Another backend runs the step on another machine: there the step deletes the parameter.
    """
    if value_of(tokens, "--entry-point") != ENTRY_POINT or value_of(tokens, "--backend") not in (None, "local"):
        yield list(tokens)
        return
    with ExitStack() as files:
        yield [_hidden(token, files) for token in tokens]


def _hidden(token: Token, files: ExitStack) -> Token:
    name, equals, value = (token.value or "").partition("=")
    if token.name != PARAMETER or name != NAME or not (equals and value):
        return token
    number, path = tempfile.mkstemp(prefix="streamflow-")  # 0600
    files.callback(Path(path).unlink, missing_ok=True)
    with os.fdopen(number, "wb") as file:
        file.write(os.fsencode(value))
    return Token(PARAMETER, f"{NAME}_file={path}")
