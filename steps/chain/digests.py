"""One sha256 for all that a step or a decision follows from: the same digest means the same result."""

import hashlib
import json
from collections.abc import Mapping


def digest(step: str, inputs: Mapping[str, object]) -> str:
    text = json.dumps([step, inputs], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
