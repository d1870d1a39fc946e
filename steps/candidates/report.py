"""The compared settings as a table and a plot."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes

from steps.candidates.choice import Choice, Setting
from steps.cli import spreadsheet
from steps.training import plots
from steps.training.split import FOLDS

TABLE, ALL_TRIALS, PLOT = "candidates.csv", "trials.csv", "candidates.png"


def write(folder: Path, as_of: str, users: int, choice: Choice, trials: Sequence[Setting]) -> None:
    """candidates.csv: the settings that were compared, in order of preference. trials.csv: all, if any was searched."""
    write_csv(folder / TABLE, table(choice))
    if any(setting.trial for setting in trials):
        write_csv(folder / ALL_TRIALS, pd.DataFrame([_row(setting) for setting in trials]))
    _draw(folder / PLOT, f"Candidates {as_of}\n{FOLDS} folds of the training part, {users:,} users", choice)


def write_csv(path: Path, frame: pd.DataFrame) -> None:
    path.write_text(spreadsheet.to_csv(frame), encoding="utf-8", newline="")


def table(choice: Choice) -> pd.DataFrame:
    rows = []
    for setting in choice.settings:
        gap = choice.gap(setting)
        compared = {
            "below_best": gap.mean,
            "standard_error": gap.standard_error,
            "within_one_standard_error": not gap.is_clear,
            "chosen": setting is choice.chosen,
        }
        rows.append({**_row(setting), **compared})
    return pd.DataFrame(rows)


def _row(setting: Setting) -> dict[str, object]:
    hyperparameters = setting.hyperparameters.of(setting.candidate.model)
    return {
        "candidate": str(setting.candidate),
        "trial": setting.trial,
        "hyperparameters": " ".join(f"{name}={value!r}" for name, value in hyperparameters.items()),
        "AUC_cv_mean": setting.mean,
        "AUC_cv_std": setting.std,
        **{f"AUC_fold_{fold}": auc for fold, auc in enumerate(setting.aucs, start=1)},
    }


def _draw(path: Path, title: str, choice: Choice) -> None:
    def dots(axes: Axes) -> None:
        for height, setting in enumerate(reversed(choice.settings)):
            colour = "C1" if setting is choice.chosen else "C0"
            axes.plot(setting.aucs, [height] * len(setting.aucs), "o", color=colour, alpha=0.4)
            axes.plot(setting.mean, height, "|", color=colour, markersize=20, markeredgewidth=3)
        names = [f"{setting}, chosen" if setting is choice.chosen else f"{setting}" for setting in choice.settings]
        axes.set_yticks(range(len(names)), [name.replace(":", "\n") for name in reversed(names)])
        axes.margins(y=0.3)

    plots.draw(path, title, dots, ("AUC of each fold (dots) and their mean (line)", ""))
