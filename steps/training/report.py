"""The report of a training: plots, and report.html with all of them and the figures."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from steps.training import html_report, plots
from steps.training.evaluation import BINS, MAX_SHUFFLED, Validated

ROWS: Mapping[str, str] = {
    "AUC": "AUC",
    "F1": "F1",
    "ACC": "accuracy",
    "Brier": "Brier score",
    "calibration_error": f"calibration error ({BINS} bins of equally many users)",
    "mean_probability": "mean probability",
}


def write(
    folder: Path, title: str, validated: Validated, importances: pd.DataFrame, figures: Mapping[str, float]
) -> None:
    """Writes the plots, and report.html, which embeds them, into the folder.

    importances: as evaluation.importances gives them. figures: the run's metrics.
    """
    plots.draw_all(folder, title, validated, importances)
    drawn = [(_caption(caption, validated), folder / name) for name, caption in plots.CAPTIONS.items()]
    page = html_report.page(f"Training of {title}", _intro(validated, figures), _rows(validated, figures), drawn)
    (folder / html_report.REPORT).write_text(page, encoding="utf-8")


def _intro(validated: Validated, figures: Mapping[str, float]) -> str:
    users = len(validated.truth)
    shuffled = f" Importances: on {MAX_SHUFFLED:,} of them." if users > MAX_SHUFFLED else ""
    return (
        f"All figures and plots: {users:,} validation users, whose rows the model was not fitted to. "
        f"It was fitted to the rows of {figures['rows_train']:,.0f} other users.{shuffled} {_meaning(validated)}"
    )


def _meaning(validated: Validated) -> str:
    rule = f"A user is predicted to leave above {validated.threshold:g}."
    if validated.calibration == "none":
        return f"The probability is the classifier's own score, without calibration. {rule}"
    return (
        f"Probabilities are calibrated ({validated.calibration}) on held-out rows of folds of the training part; "
        f"uncalibrated is the classifier's own score, with the class rule above 0.5. {rule}"
    )


def _rows(validated: Validated, figures: Mapping[str, float]) -> dict[str, str]:
    rows = {"users measured on": f"{len(validated.truth):,}", "threshold of the class": f"{validated.threshold:g}"}
    rows |= {"calibration": validated.calibration, "share who left": f"{figures['share_who_left']:.4f}"}
    for name, label in ROWS.items():
        rows[label] = f"{figures[name]:.4f}"
        if f"{name}_uncalibrated" in figures:
            rows[label] += f" (uncalibrated {figures[f'{name}_uncalibrated']:.4f})"
    rows["AUC, mean of folds of all rows"] = f"{figures['AUC_cv_mean']:.4f} ± {figures['AUC_cv_std']:.4f}"
    return rows


def _caption(caption: str, validated: Validated) -> str:
    return f"{caption}: validation, {len(validated.truth):,} users"
