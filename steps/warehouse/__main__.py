"""python -m steps.warehouse: brings the warehouse's schema up to date, and makes the coming days of the
prediction log. Safe to repeat."""

from collections.abc import Sequence

from steps.cli import console
from steps.warehouse.migrations import apply_schema
from steps.warehouse.records.prediction_log import make_log_days


def main(_argv: Sequence[str] | None = None) -> None:
    apply_schema()
    make_log_days()


if __name__ == "__main__":
    console.run(main)
