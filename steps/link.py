"""One link of the chain from a version back to its files. It says what was compared with what.

same: compared, and equal. told: there is nothing to compare it with. differs: nothing is broken, but what is here is
not what the version was made with. broken: missing, damaged, or not what was recorded.
"""

from dataclasses import dataclass
from typing import Literal

State = Literal["same", "told", "differs", "broken"]


@dataclass(frozen=True)
class Link:
    name: str
    said: str
    state: State = "same"
