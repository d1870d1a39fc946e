"""The options of a month, which main and catch_up share."""

import argparse
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

from steps.chain import retraining, stopping
from steps.cli import parameters

PROMOTE = ("auto", "ask")


@dataclass(frozen=True)
class Options:
    """As the parameters of main say."""

    month_dir: Path
    as_of: date
    mix: bool
    confirm_date: bool
    new_categories: bool
    accept: str
    retrain: str
    promote: str
    trials: int

    @property
    def lasting(self) -> str:
        """Those with which a finished month would have ended otherwise."""
        return f"retrain={self.retrain} promote={self.promote} trials={self.trials}"

    def text(self, *chosen: str) -> dict[str, str]:
        """As entry points take them."""
        values = {name: asdict(self)[name] for name in chosen}
        return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in values.items()}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Those that are not of the month's folder: --mix, --accept, --retrain, --promote, --trials."""
    mix = "true: allow made-up months beside real ones"
    parser.add_argument("--mix", type=parameters.yes_or_no, required=True, help=mix)
    parser.add_argument("--accept", type=stopping.accepted, required=True, help="rules that the month may break")
    parser.add_argument("--retrain", choices=retraining.OPTIONS, required=True, help="auto: if the verdict asks for it")
    promote = "ask: a version that passed the gate waits for a person"
    parser.add_argument("--promote", choices=PROMOTE, required=True, help=promote)
    trials = "of the search for hyperparameters"
    parser.add_argument("--trials", type=parameters.whole_number(0, 10_000), required=True, help=trials)
