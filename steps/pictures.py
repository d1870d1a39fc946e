"""How good a model is, as pictures. In: truth and probabilities. Out: PNG files in a folder."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray

mpl.use("Agg")  # no screen needed

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from sklearn.calibration import CalibrationDisplay
from sklearn.metrics import ConfusionMatrixDisplay, PrecisionRecallDisplay, RocCurveDisplay

if TYPE_CHECKING:
    import pandas as pd

SIZE_INCHES = (6.0, 4.5)
DOTS_PER_INCH = 110
BINS = 10


def draw_all(
    folder: Path,
    title: str,
    truth: "pd.Series[Any]",
    probability: NDArray[np.float64],
    importances: "pd.Series[Any]",
) -> None:
    """roc.png, precision_recall.png, confusion_matrix.png, calibration.png and feature_importances.png."""
    predicted = (np.asarray(probability) > 0.5).astype(int)  # noqa: PLR2004
    draw(
        folder / "roc.png",
        f"ROC, {title}",
        lambda ax: RocCurveDisplay.from_predictions(
            truth, probability, ax=ax, plot_chance_level=True, name="validation"
        ),
    )
    draw(
        folder / "precision_recall.png",
        f"Precision and recall, {title}",
        lambda ax: PrecisionRecallDisplay.from_predictions(
            truth, probability, ax=ax, plot_chance_level=True, name="validation"
        ),
    )
    draw(
        folder / "confusion_matrix.png",
        f"Confusion matrix at 0.5, {title}",
        lambda ax: ConfusionMatrixDisplay.from_predictions(
            truth, predicted, ax=ax, display_labels=["stays", "leaves"], colorbar=False
        ),
    )
    draw(
        folder / "calibration.png",
        f"Calibration, {title}",
        lambda ax: CalibrationDisplay.from_predictions(truth, probability, ax=ax, n_bins=BINS, name="validation"),
    )
    _draw_importances(folder, title, importances)


def _draw_importances(folder: Path, title: str, importances: "pd.Series[Any]") -> None:
    draw(
        folder / "feature_importances.png",
        f"Importance of the features, {title}",
        lambda ax: ax.barh(importances.index, importances.to_numpy()),
        ("AUC lost when the feature is shuffled", ""),
    )


def draw(path: Path, title: str, draw: Callable[[Axes], object], labels: tuple[str, str] | None = None) -> None:
    """labels: of the x and of the y axis."""
    figure, axes = plt.subplots(figsize=SIZE_INCHES, dpi=DOTS_PER_INCH, layout="constrained")
    draw(axes)
    axes.set_title(title)
    if labels:
        axes.set(xlabel=labels[0], ylabel=labels[1])
    figure.savefig(path)
    plt.close(figure)
