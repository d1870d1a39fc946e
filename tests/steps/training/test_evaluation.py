"""Permutation importances equal scikit-learn's; plots name their content and the measured users."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from sklearn.inspection import permutation_importance

from steps.training import evaluation, pipelines, plots
from steps.training.evaluation import Validated
from steps.training.split import split
from tests.steps.states.trainings import MODELS, pipeline, rows

LONG = "gradient boosting 2024-01-31"


@pytest.mark.parametrize("kind", MODELS)
def test_importances_are_the_auc_lost_when_values_are_shuffled(kind: str, trainings: dict[str, str]) -> None:
    fitted, held_out = pipeline(trainings[kind]), split(rows(trainings[kind]), "user").validation
    names = list(fitted.feature_names_in_)
    leaving = pipelines.fast_churn_probability(fitted, names)
    importances = evaluation.importances(leaving, held_out, names)
    expected = permutation_importance(
        fitted, held_out[names], held_out["churn_label"], scoring="roc_auc", n_repeats=5, random_state=42
    )
    assert importances.loc[names, "mean"].to_numpy() == pytest.approx(expected.importances_mean, abs=1e-12)
    assert importances.loc[names, "std"].to_numpy() == pytest.approx(expected.importances_std, abs=1e-12)
    assert importances["mean"].is_monotonic_increasing


def test_of_many_rows_a_sample_is_shuffled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "MAX_SHUFFLED", 50)
    sizes = []

    def leaving(frame: pd.DataFrame) -> Any:
        sizes.append(len(frame))
        return frame["a"].to_numpy()

    random = np.random.default_rng(1)
    frame = pd.DataFrame({"a": random.random(400), "b": random.random(400), "churn_label": random.random(400) < 0.5})
    evaluation.importances(leaving, frame, ["a", "b"])
    assert max(sizes) == 50


@pytest.fixture
def drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """File name -> matplotlib figure, of a training with long names."""
    figures: dict[str, Any] = {}
    monkeypatch.setattr(plt, "close", lambda *_figure: None)
    random = np.random.default_rng(1)
    probability = random.random(1761)
    validated = Validated(random.random(1761) < probability, probability**2, probability, "sigmoid", 0.35)
    names = ["ticket_avg_resolution_hrs_90d", "a"]
    monkeypatch.setattr(
        "matplotlib.figure.Figure.savefig", lambda figure, path: figures.update({Path(path).name: figure})
    )
    plots.draw_all(tmp_path, LONG, validated, pd.DataFrame({"mean": [0.1, 0.2], "std": [0.01, 0.02]}, index=names))
    yield figures
    monkeypatch.undo()
    plt.close("all")


def test_every_title_names_the_measured_users_and_is_not_cut_off(drawn: dict[str, Any]) -> None:
    assert set(drawn) == set(plots.CAPTIONS)
    for name, figure in drawn.items():
        figure.draw_without_rendering()
        title = figure.texts[0]
        assert title.get_text().endswith(f"{LONG}\nvalidation, 1,761 users"), name
        box = title.get_window_extent()
        assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1, name
        assert box.y1 <= figure.bbox.y1, name


def test_the_bars_have_a_label_and_their_spread(drawn: dict[str, Any]) -> None:
    (axes,) = drawn["feature_importances.png"].axes
    assert (
        axes.get_xlabel()
        == "AUC lost when the feature's values are shuffled\n(mean of 5 shuffles ± standard deviation)"
    )
    (bars,) = [container for container in axes.containers if getattr(container, "errorbar", None)]
    assert [bar.get_width() for bar in bars] == [0.1, 0.2]
    spread = bars.errorbar.lines[2][0].get_segments()
    assert [float(line[1][0] - line[0][0]) for line in spread] == pytest.approx([0.02, 0.04])


def test_the_confusion_matrix_is_at_the_threshold(drawn: dict[str, Any]) -> None:
    figure = drawn["confusion_matrix.png"]
    assert figure.texts[0].get_text().startswith("Confusion matrix at 0.35")


def test_the_calibration_plot_shows_both_curves(drawn: dict[str, Any]) -> None:
    (axes,) = drawn["calibration.png"].axes
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels[1:] == ["score of the classifier, not calibrated", "probability, calibrated (sigmoid)"]
