"""From a snapshot's rows to the rows of Feast's online table: one per user and feature. Pure.

Feast's own code serializes each distinct value once: most features of a million users have a few thousand values.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa

SAMPLES = 8

Keys = Callable[[Iterable[str]], Iterator[bytes]]
Encoder = Callable[[Sequence[object]], Iterator[tuple[bytes, str | None]]]


def online_rows(rows: pa.Table, event_time: str, keys: Keys, encoders: Mapping[str, Encoder]) -> pa.Table:
    """rows: user_id, the features and created_at, as text. Returns users x features rows with the columns of the
    online table, all of them text; a user's rows are adjacent."""
    users, features = rows.num_rows, len(encoders)
    entity_keys = pa.array(["\\x" + key.hex() for key in composed_keys(keys, rows["user_id"].to_pylist())])
    parts = [
        [entity_keys, pa.repeat(name, users), *_encoded(rows[name].combine_chunks(), encoder)]
        for name, encoder in encoders.items()
    ]
    by_user = np.arange(features * users).reshape(features, users).T.ravel()
    columns = [pa.concat_arrays(column).take(pa.array(by_user)) for column in zip(*parts, strict=True)]
    times = [pa.repeat(event_time, len(by_user)), rows["created_at"].combine_chunks().take(by_user // features)]
    names = ["entity_key", "feature_name", "value", "value_text", "event_ts", "created_ts"]
    return pa.table([*columns, *times], names=names)


def encoded(column: pa.Array, encoder: Encoder) -> tuple[list[bytes], list[int]]:
    """The distinct values, serialized by Feast, and the index of each row's value."""
    distinct = column.dictionary_encode()
    return [value for value, _text in encoder(distinct.dictionary.to_pylist())], distinct.indices.to_pylist()


def _encoded(column: pa.Array, encoder: Encoder) -> tuple[pa.Array, pa.Array]:
    distinct = column.dictionary_encode()
    values = list(encoder(distinct.dictionary.to_pylist()))
    stored = pa.array(["\\x" + value.hex() for value, _text in values])
    texts = pa.array([text for _value, text in values], pa.string())
    return stored.take(distinct.indices), texts.take(distinct.indices)


def composed_keys(keys: Keys, user_ids: Sequence[str]) -> list[bytes]:
    """The users' entity keys. Feast's key is a common prefix, the id's length and the id. If a sample of keys differs
    from that, Feast serializes every key, which takes ten times as long."""
    sample = list(user_ids[:: max(1, len(user_ids) // SAMPLES)])
    prefix = next(iter(keys([""])))[:-4]

    def composed(user_id: str) -> bytes:
        raw = user_id.encode()
        return prefix + len(raw).to_bytes(4, "little") + raw

    if [composed(user_id) for user_id in sample] == list(keys(sample)):
        return [composed(user_id) for user_id in user_ids]
    return list(keys(user_ids))
