"""Answered users as rows of the table prediction_log, in the text format of COPY."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

import orjson

from feature_enricher.prediction.predictor import Item, Result
from feature_enricher.upstream.model_server import Prediction

COLUMNS = (
    "answered_at", "request_id", "user_id", "code", "model_name", "model_version", "run_id", "feature_service", "as_of",
    "features", "overridden", "prediction", "probability", "milliseconds",
)  # fmt: skip
COPY = f"COPY public.prediction_log ({', '.join(COLUMNS)}) FROM STDIN".encode()
NULL = "\\N"
WITHOUT_PREDICTION = "\t".join([NULL] * len(COLUMNS[4:-1]))
# About what a prediction takes in memory, above its texts from the request: measured by a test
ROW_BYTES, VALUE_BYTES, CHARACTER_BYTES = 1_500, 120, 4


class Answered(NamedTuple):
    """One request's users and their results, without anything else of the request. A tuple: it is made in a fifth of a
    dataclass's time."""

    at: float
    """time.time()"""
    request_id: str
    users: Sequence[str]
    results: Sequence[Prediction | str]
    """A prediction, or an error's code"""
    milliseconds: float

    def bytes(self) -> int:
        return sum(map(_bytes_of, self.results))


def answered(
    at: float, request_id: str, items: Sequence[Item], results: Sequence[Result], milliseconds: float
) -> Answered:
    kept = [result if isinstance(result, Prediction) else result.code for result in results]
    return Answered(at, request_id, [item.user_id for item in items], kept, milliseconds)


def copy_data(requests: Iterable[Answered]) -> bytes:
    """The rows for COPY."""
    # a lone surrogate cannot get here through a request, and must not cost the other rows
    return "".join(line for request in requests for line in _lines(request)).encode(errors="replace")


def _lines(request: Answered) -> Iterable[str]:
    at, milliseconds = datetime.fromtimestamp(request.at, UTC).isoformat(), repr(request.milliseconds)
    head = f"{at}\t{_escaped(request.request_id)}\t"
    for user_id, result in zip(request.users, request.results, strict=True):
        of_user = _of_prediction(result) if isinstance(result, Prediction) else f"{result}\t{WITHOUT_PREDICTION}"
        yield f"{head}{_escaped(user_id)}\t{of_user}\t{milliseconds}\n"


def _of_prediction(result: Prediction) -> str:
    """The columns from code to probability."""
    row = result.row
    version = _of_version(result.model_name, result.model_version, result.run_id, result.feature_service)
    overridden = _array(row.overridden) if row.overridden else "{}"
    values = f"{_json(row.event_times)}\t{_json(row.features)}\t{overridden}"
    return f"{result.code}\t{version}\t{values}\t{result.prediction}\t{result.probability!r}"


@lru_cache(16)
def _of_version(*columns: str | None) -> str:
    return "\t".join(NULL if column is None else _escaped(column) for column in columns)


def _json(value: object) -> str:
    """orjson writes the shortest text that reads back as the same float, and escapes tabs and ends of lines itself."""
    return orjson.dumps(value).replace(b"\\", b"\\\\").decode()


def _array(texts: Iterable[str]) -> str:
    quoted = (text.replace("\\", "\\\\").replace('"', '\\"') for text in texts)
    return _escaped("{" + ",".join(f'"{text}"' for text in quoted) + "}")


def _escaped(text: str) -> str:
    """PostgreSQL cannot store NUL."""
    escaped = text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")
    return escaped.replace("\0", "")


def _bytes_of(result: Prediction | str) -> int:
    if isinstance(result, str):
        return ROW_BYTES
    row = result.row
    size = ROW_BYTES + VALUE_BYTES * len(row.features)
    if row.overridden:
        texts = (row.features.get(name) for name in row.overridden)
        size += CHARACTER_BYTES * sum(len(text) for text in texts if isinstance(text, str))
    return size
