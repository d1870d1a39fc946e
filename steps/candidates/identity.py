"""What makes two choices, or two trials, the same."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from steps.runs import tracking

CODE_TAGS = (tracking.CODE_TAG, tracking.LOCK_TAG, tracking.PYTHON_TAG)


def code() -> dict[str, str]:
    """The tags that name the code, the packages and the Python."""
    tags = tracking.code_version()
    return {name: tags[name] for name in CODE_TAGS}


def sha256(facts: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
