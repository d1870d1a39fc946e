"""The search for a candidate's hyperparameters, by Optuna's tree-structured Parzen estimator.

A pure function of its evaluations: the sampler is seeded and keeps nothing on disk. A search that is run again proposes
the same trials in the same order, so those that were evaluated before need no evaluation, and the search goes on as
if it had never stopped.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from steps.candidates.candidate import Candidate
from steps.candidates.choice import Setting
from steps.training.pipelines import Hyperparameters

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Evaluate = Callable[[Candidate, Hyperparameters, int], Setting]
"""From a candidate, hyperparameters and the number of the trial"""

# (lowest, highest); searched on a logarithmic scale. More trees never hurt a forest: their number is not searched.
RANGES: Mapping[str, Mapping[str, tuple[int, int] | tuple[float, float]]] = {
    "random_forest": {"min_samples_leaf": (1, 64)},
    "hist_gradient_boosting": {"max_iter": (50, 400), "max_leaf_nodes": (3, 32), "learning_rate": (0.02, 0.2)},
    "logistic_regression": {"C": (0.001, 100.0)},
}


def search(candidate: Candidate, start: Hyperparameters, trials: int, seed: int, evaluate: Evaluate) -> list[Setting]:
    """start: for the hyperparameters that are not searched."""
    import optuna  # noqa: PLC0415 - half a second, and most choices search nothing

    optuna.logging.set_verbosity(optuna.logging.WARNING)  # a line of the step says the same
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
    space = _space(candidate.model)
    settings = []
    for number in range(1, trials + 1):
        proposed = study.ask(space)
        setting = evaluate(candidate, replace(start, **proposed.params), number)
        study.tell(proposed, setting.mean)
        settings.append(setting)
    return settings


def _space(model: str) -> "dict[str, BaseDistribution]":
    from optuna.distributions import FloatDistribution, IntDistribution  # noqa: PLC0415 - as above

    kinds: dict[type, Callable[..., Any]] = {int: IntDistribution, float: FloatDistribution}
    return {name: kinds[type(low)](low, high, log=True) for name, (low, high) in RANGES[model].items()}
