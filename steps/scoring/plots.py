"""The plots of a month's scores. Each title names the users in it."""

from pathlib import Path

from sklearn.calibration import CalibrationDisplay

from steps.scoring.quality import SHARES, Labels, Probabilities, gain, lift
from steps.training.plots import draw

BINS = 10
CONTACTED = "share of the users contacted"

Pictures = list[tuple[str, Path]]
"""Caption and file"""


def distribution(
    folder: Path, probability: Probabilities, trained_on: Labels | None, title: str, name: str
) -> Pictures:
    """name: of the model's number, probability of leaving or score. trained_on: None where unknown."""
    path = folder / "distribution.png"
    groups = {"training users unknown": probability}
    if trained_on is not None:
        groups = {"never trained on": probability[~trained_on], "trained on": probability[trained_on]}
    draw(
        path,
        f"Users by {name}\n{title}",
        lambda ax: (
            ax.hist(
                list(groups.values()), bins=50, range=(0, 1), stacked=True, histtype="stepfilled", label=list(groups)
            ),
            ax.legend(),
        ),
        (name, "users"),
    )
    return [(f"Users by {name}: {title}", path)]


def curves(folder: Path, probability: Probabilities, left: Labels, title: str, name: str) -> Pictures:
    """gain.png, lift.png and calibration.png, all of the same users."""
    draw(
        folder / "gain.png",
        f"Gain\n{title}",
        lambda ax: (
            ax.plot(SHARES, gain(probability, left), label="most likely first"),
            ax.plot([0, 1], [0, 1], "--", label="at random"),
            ax.legend(),
        ),
        (CONTACTED, "share found of those who leave"),
    )
    draw(
        folder / "lift.png",
        f"Lift\n{title}",
        lambda ax: (
            ax.plot(SHARES, lift(probability, left), label="most likely first"),
            ax.axhline(1, color="C1", linestyle="--", label="at random"),
            ax.legend(),
        ),
        (CONTACTED, "times as many who leave as at random"),
    )
    draw(
        folder / "calibration.png",
        f"Calibration\n{title}",
        lambda ax: CalibrationDisplay.from_predictions(left, probability, ax=ax, n_bins=BINS, name="this version"),
        (f"mean {name}", "share who left"),
    )
    return [(f"{name.capitalize()}: {title}", folder / f"{name}.png") for name in ("gain", "lift", "calibration")]
