"""Who is listed, and who would be but is kept apart as control group. Pure.

The users are taken by their expected gain. Whether a user is control depends on a hash of the campaign and the user_id
alone: not on the score, the version, the order of the rows or the other users. So control is a random part of those
who would be contacted, and the difference between the two groups is the campaign's effect.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from steps.campaign.terms import Numbers

Positions = NDArray[np.int64]
HASH_VALUES = 2**64
CHUNK_USERS = 50_000


@dataclass(frozen=True)
class Selection:
    """Positions of users, the largest expected gain first."""

    listed: Positions
    control: Positions


def control_draw(campaign: str, share: float) -> Callable[[str], bool]:
    """A function from user_id to whether the user is in the campaign's control group."""
    start, limit = f"control group\n{campaign}\n".encode(), share * HASH_VALUES

    def is_control(user_id: str) -> bool:
        return int.from_bytes(hashlib.sha256(start + user_id.encode()).digest()[:8]) < limit

    return is_control


def select(
    user_ids: pa.ChunkedArray, expected_gain: Numbers, contacts: int | None, is_control: Callable[[str], bool]
) -> Selection:
    """Lists at most so many users, each with an expected gain above 0; equal gains by user_id. Those of the control
    group who come before the last listed user are its control."""
    order = by_gain(user_ids, expected_gain)
    listed: list[int] = []
    control: list[int] = []
    for start in range(0, len(order), CHUNK_USERS):
        positions = order[start : start + CHUNK_USERS]
        for position, user_id in zip(positions.tolist(), user_ids.take(pa.array(positions)).to_pylist(), strict=True):
            if contacts is not None and len(listed) >= contacts:
                return _selection(listed, control)
            (control if is_control(user_id) else listed).append(position)
    return _selection(listed, control)


def _selection(listed: list[int], control: list[int]) -> Selection:
    return Selection(np.array(listed, dtype=np.int64), np.array(control, dtype=np.int64))


def by_gain(user_ids: pa.ChunkedArray, expected_gain: Numbers) -> Positions:
    """Positions of the users with an expected gain above 0, the largest first."""
    worth = np.flatnonzero(expected_gain > 0)
    rows = pa.table({"gain": expected_gain[worth], "user_id": user_ids.take(pa.array(worth))})
    order = pc.sort_indices(rows, sort_keys=[("gain", "descending"), ("user_id", "ascending")])
    return np.asarray(worth[order.to_numpy()], dtype=np.int64)
