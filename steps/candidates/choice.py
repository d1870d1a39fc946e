"""The choice among cross-validated settings: the first in the list that the best does not clearly beat. Pure.

The one-standard-error rule of Breiman, Friedman, Olshen and Stone (Classification and Regression Trees, 1984, section
3.4.3), here of the differences from the best: all settings have the same folds, so what makes a fold easy cancels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, stdev

from steps.candidates.candidate import Candidate
from steps.training.pipelines import Hyperparameters


@dataclass(frozen=True)
class Setting:
    """A candidate with hyperparameters, and its AUC on the held-out rows of each fold."""

    candidate: Candidate
    hyperparameters: Hyperparameters
    trial: int
    """0 for the hyperparameters of the parameters, else the number of the trial of the search"""
    aucs: tuple[float, ...]

    @property
    def mean(self) -> float:
        return fmean(self.aucs)

    @property
    def std(self) -> float:
        return stdev(self.aucs)

    def __str__(self) -> str:
        return f"{self.candidate} (trial {self.trial})" if self.trial else str(self.candidate)


@dataclass(frozen=True)
class Gap:
    """How much lower a setting's AUC is than the best's: mean over the folds, and its standard error."""

    mean: float
    standard_error: float

    @property
    def is_clear(self) -> bool:
        return self.mean > self.standard_error


@dataclass(frozen=True)
class Choice:
    settings: Sequence[Setting]
    """In order of preference"""
    best: Setting
    chosen: Setting

    def gap(self, setting: Setting) -> Gap:
        return gap(self.best, setting)

    @property
    def reason(self) -> str:
        if len(self.settings) == 1:
            return "it is the only candidate"
        if self.chosen == self.best:
            return "it has the highest mean AUC, and no setting before it in the list is within one standard error"
        below = self.gap(self.chosen)
        return (
            f"it comes first in the list of those within one standard error of the best: {self.best} has "
            f"AUC={self.best.mean:.4f}, {below.mean:.4f} more, with a standard error of {below.standard_error:.4f}"
        )


def best_of(settings: Sequence[Setting]) -> Setting:
    """The highest mean AUC; of equal ones the first."""
    return max(settings, key=lambda setting: setting.mean)


def gap(best: Setting, setting: Setting) -> Gap:
    differences = [high - low for high, low in zip(best.aucs, setting.aucs, strict=True)]
    return Gap(fmean(differences), stdev(differences) / sqrt(len(differences)))


def choose(settings: Sequence[Setting]) -> Choice:
    """settings: in order of preference, the simplest first."""
    best = best_of(settings)
    chosen = next(setting for setting in settings if not gap(best, setting).is_clear)
    return Choice(settings, best, chosen)
