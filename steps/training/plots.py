"""A model's quality as plots. In: labels and probabilities. Out: PNG files in a folder."""

from collections.abc import Callable, Mapping
from pathlib import Path

import matplotlib as mpl
import pandas as pd

mpl.use("Agg")  # no screen needed

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.layout_engine import ConstrainedLayoutEngine
from sklearn.calibration import CalibrationDisplay
from sklearn.metrics import ConfusionMatrixDisplay, PrecisionRecallDisplay, RocCurveDisplay

from steps.training.evaluation import BINS, SHUFFLES, Validated

SIZE_INCHES = (6.0, 4.5)
TALL_INCHES = (6.0, 5.4)
DOTS_PER_INCH = 110
TITLE_POINTS = 11
LEAVES = "share who left"
CAPTIONS: Mapping[str, str] = {
    "roc.png": "ROC curve",
    "precision_recall.png": "Precision and recall",
    "confusion_matrix.png": "Confusion matrix",
    "calibration.png": "Calibration",
    "feature_importances.png": "Permutation importance",
}


def draw_all(folder: Path, title: str, validated: Validated, importances: pd.DataFrame) -> None:
    """Writes the files of CAPTIONS. Each title names the measured users: "validation, 1,761 users".

    importances: columns mean and std, by feature (see evaluation.importances).
    """
    truth, probability = validated.truth, validated.probability
    population = f"{title}\nvalidation, {len(truth):,} users"
    draw(
        folder / "roc.png",
        f"ROC curve, {population}",
        lambda ax: RocCurveDisplay.from_predictions(
            truth, probability, ax=ax, plot_chance_level=True, name="validation"
        ),
        ("false positive rate", "true positive rate"),
    )
    draw(
        folder / "precision_recall.png",
        f"Precision and recall, {population}",
        lambda ax: PrecisionRecallDisplay.from_predictions(
            truth, probability, ax=ax, plot_chance_level=True, name="validation"
        ),
        ("recall: share found of those who left", "precision: share who left of those found"),
    )
    draw(
        folder / "confusion_matrix.png",
        f"Confusion matrix at {validated.threshold:g}, {population}",
        lambda ax: ConfusionMatrixDisplay.from_predictions(
            truth,
            probability > validated.threshold,
            ax=ax,
            display_labels=["stays", "leaves"],
            colorbar=False,
            values_format=",d",
        ),
        ("predicted", "what happened"),
    )
    _draw_calibration(folder / "calibration.png", population, validated)
    _draw_importances(folder / "feature_importances.png", title, len(truth), importances)


def _draw_calibration(path: Path, population: str, validated: Validated) -> None:
    curves = {"score of the classifier, not calibrated": validated.score}
    if validated.calibration != "none":
        curves[f"probability, calibrated ({validated.calibration})"] = validated.probability

    def both(axes: Axes) -> None:
        for name, values in curves.items():
            CalibrationDisplay.from_predictions(
                validated.truth, values, ax=axes, n_bins=BINS, strategy="quantile", name=name
            )

    label = f"mean of a bin ({BINS} bins of equally many users)"
    draw(path, f"Calibration, {population}", both, (label, LEAVES))


def _draw_importances(path: Path, title: str, users: int, importances: pd.DataFrame) -> None:
    def bars(axes: Axes) -> None:
        axes.barh(importances.index, importances["mean"], xerr=importances["std"], capsize=2, ecolor="0.3")
        axes.axvline(0, color="0.3", linewidth=0.8)
        axes.locator_params(axis="x", nbins=5)

    label = f"AUC lost when the feature's values are shuffled\n(mean of {SHUFFLES} shuffles ± standard deviation)"
    population = f"{title}\nvalidation, {users:,} users"
    draw(path, f"Permutation importance, {population}", bars, (label, ""), TALL_INCHES)


def draw(
    path: Path,
    title: str,
    draw: Callable[[Axes], object],
    labels: tuple[str, str] | None = None,
    inches: tuple[float, float] = SIZE_INCHES,
) -> None:
    """labels: of the x and the y axis. The title is centred over the whole figure: long names of bars do not push it
    out."""
    figure, axes = plt.subplots(figsize=inches, dpi=DOTS_PER_INCH)
    draw(axes)
    figure.suptitle(title, fontsize=TITLE_POINTS)
    if labels:
        axes.set(xlabel=labels[0], ylabel=labels[1])
    # with the engine in the figure, savefig would draw everything twice
    ConstrainedLayoutEngine().execute(figure)
    figure.savefig(path)
    plt.close(figure)
