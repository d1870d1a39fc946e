"""Answered users as rows of the table prediction_log, in the text format of COPY."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson

from feature_enricher.prediction.predictor import Item, Result
from feature_enricher.upstream.model_server import Prediction

COLUMNS = (
    "answered_at", "request_id", "user_id", "code", "model_name", "model_version", "run_id", "feature_service", "as_of",
    "features", "overridden", "prediction", "probability", "milliseconds",
)  # fmt: skip
COPY = f"COPY public.prediction_log ({', '.join(COLUMNS)}) FROM STDIN".encode()
NULL = "\\N"
OF_A_PREDICTION = COLUMNS[4:-1]
ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\0": None})


@dataclass(frozen=True, slots=True)
class Answered:
    """One request's users and their results."""

    at: float
    """time.time()"""
    request_id: str
    items: Sequence[Item]
    results: Sequence[Result]
    milliseconds: float


def lines(answered: Answered) -> Iterable[bytes]:
    at = datetime.fromtimestamp(answered.at, UTC).isoformat()
    for item, result in zip(answered.items, answered.results, strict=True):
        fields = [at, _escaped(answered.request_id), _escaped(item.user_id), result.code]
        fields += _of_prediction(result) if isinstance(result, Prediction) else [NULL] * len(OF_A_PREDICTION)
        # a lone surrogate cannot get here through a request, and must not cost the other rows
        yield ("\t".join([*fields, repr(answered.milliseconds)]) + "\n").encode(errors="replace")


def _of_prediction(result: Prediction) -> list[str]:
    """In the order of OF_A_PREDICTION."""
    row = result.row
    return [
        _escaped(result.model_name),
        NULL if result.model_version is None else _escaped(result.model_version),
        _escaped(result.run_id),
        _escaped(result.feature_service),
        _json({view: moment.astimezone(UTC).isoformat() for view, moment in row.event_times.items()}),
        _json(row.features),
        _escaped(_array(row.overridden)),
        str(result.prediction),
        repr(result.probability),
    ]


def _json(value: Mapping[str, object]) -> str:
    """orjson writes the shortest text that reads back as the same float."""
    return _escaped(orjson.dumps(value).decode())


def _array(texts: Iterable[str]) -> str:
    quoted = (text.replace("\\", "\\\\").replace('"', '\\"') for text in texts)
    return "{" + ",".join(f'"{text}"' for text in quoted) + "}"


def _escaped(text: str) -> str:
    return text.translate(ESCAPES)
