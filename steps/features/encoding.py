"""From a snapshot's rows to the rows of Feast's online table: one per user and feature. Pure.

Each distinct value is put into Feast's form once, by Feast's own code; a million users have a few thousand of most.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa

SAMPLES = 8

Keys = Callable[[Iterable[str]], Iterator[bytes]]
Encoder = Callable[[Sequence[object]], Iterator[tuple[bytes, str | None]]]


def online_rows(rows: pa.Table, event_time: str, keys: Keys, encoders: Mapping[str, Encoder]) -> pa.Table:
    """rows: user_id, the features and created_at, as text. Out: the columns of the online table, all of them text;
    a user's rows stand together."""
    users, features = rows.num_rows, len(encoders)
    entity_keys = pa.array(["\\x" + key.hex() for key in composed_keys(keys, rows["user_id"].to_pylist())])
    parts = [
        [entity_keys, pa.repeat(name, users), *_encoded(rows[name].combine_chunks(), encoder)]
        for name, encoder in encoders.items()
    ]
    together = np.arange(features * users).reshape(features, users).T.ravel()
    columns = [pa.concat_arrays(column).take(pa.array(together)) for column in zip(*parts, strict=True)]
    moments = [pa.repeat(event_time, len(together)), rows["created_at"].combine_chunks().take(together // features)]
    names = ["entity_key", "feature_name", "value", "value_text", "event_ts", "created_ts"]
    return pa.table([*columns, *moments], names=names)


def encoded(column: pa.Array, encoder: Encoder) -> tuple[list[bytes], list[int]]:
    """The distinct values in Feast's form, and which of them each row has."""
    distinct = column.dictionary_encode()
    return [value for value, _text in encoder(distinct.dictionary.to_pylist())], distinct.indices.to_pylist()


def _encoded(column: pa.Array, encoder: Encoder) -> tuple[pa.Array, pa.Array]:
    distinct = column.dictionary_encode()
    values = list(encoder(distinct.dictionary.to_pylist()))
    stored = pa.array(["\\x" + value.hex() for value, _text in values])
    texts = pa.array([text for _value, text in values], pa.string())
    return stored.take(distinct.indices), texts.take(distinct.indices)


def composed_keys(keys: Keys, user_ids: Sequence[str]) -> list[bytes]:
    """The users' keys. A key is the same beginning for all, then the id's length and the id: a sample of them shows
    whether it is so, and each is asked of Feast, which takes ten times as long, where it is not."""
    sample = list(user_ids[:: max(1, len(user_ids) // SAMPLES)])
    beginning = next(iter(keys([""])))[:-4]

    def composed(user_id: str) -> bytes:
        raw = user_id.encode()
        return beginning + len(raw).to_bytes(4, "little") + raw

    if [composed(user_id) for user_id in sample] == list(keys(sample)):
        return [composed(user_id) for user_id in user_ids]
    return list(keys(user_ids))
