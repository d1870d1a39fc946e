"""Deletes a user's values from Redis: of the month that is online, and of months that killed runs left."""

import re

from feature_store.redis.store import SCAN_COUNT, client


def erase_user(url: str, project: str, entity_key: bytes, *, apply: bool) -> int:
    """The number of the user's keys. entity_key: in the form of Feast's online stores. Without apply it only counts."""
    own_key = re.compile(re.escape(entity_key + project.encode()) + rb"(/[0-9.a-f-]+)?", re.DOTALL)
    with client(url) as redis:
        keys = [key for key in redis.scan_iter(f"*{project}*", SCAN_COUNT) if own_key.fullmatch(key)]
        if apply and keys:
            redis.unlink(*keys)
        return len(keys)
