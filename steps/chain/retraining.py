"""Whether a month's verdict leads to a new training, and on which month. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

OPTIONS = ("auto", "always", "never")
FIGURES = ("AUC", "AUC_low", "AUC_high", "validated_AUC", "AUC_estimate", "drift_share")


@dataclass(frozen=True)
class Situation:
    """What is known when a month was monitored.

    asks: whether the monitor's verdict asks for a training. learnt_from: the newest month with labels that the version
    in Production does not know yet; is_new: False where it was trained on exactly these values and labels.
    """

    as_of: date
    newest: date  # of all loaded months
    verdict: str
    asks: bool
    learnt_from: date | None
    is_new: bool
    version: str


@dataclass(frozen=True)
class Retraining:
    retrain: bool
    reason: str
    rule: str

    @property
    def outcome(self) -> str:
        return "retrained" if self.retrain else "kept"

    @property
    def compared_on(self) -> str:
        """The months of the gate's comparison: after a verdict that users have changed, the newest alone."""
        return "newest" if self.rule == "verdict" else "pool"

    @property
    def sentence(self) -> str:
        return f"{self.reason[:1].upper()}{self.reason[1:]}"


def decide(option: str, now: Situation) -> Retraining:
    """The first rule that applies decides."""
    month, verdict = now.learnt_from, f"the verdict on {now.as_of}"
    rules = [
        (option == "never", False, "retrain=never", "retrain=never"),
        (month is None, False, "no labels", "no month has labels to learn from"),
        (option == "always", True, "retrain=always", "retrain=always"),
        (now.as_of < now.newest, False, "late month", f"{now.as_of} came late, and the verdict on {now.newest} counts"),
        (not now.asks, False, "verdict", f"{verdict} is {now.verdict}"),
        (not now.is_new, False, "nothing new", f"it was trained on {month}, and no later month has labels"),
    ]
    default = (True, True, "verdict", f"{verdict} asks for it")
    _applies, retrain, rule, why = next((row for row in rules if row[0]), default)
    result = f"a new training on {month}" if retrain else f"version {now.version} stays"
    return Retraining(retrain, f"{result}: {why}", rule)


def figures(verdict: str, metrics: Mapping[str, float]) -> dict[str, float | int | str | None]:
    """Those that the monitor decided by."""
    return {"verdict": verdict, **{name: metrics[name] for name in FIGURES if name in metrics}}
