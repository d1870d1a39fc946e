"""python -m steps.warehouse: brings the warehouse's schema up to date. Safe to repeat."""

from collections.abc import Sequence

from steps.cli import console
from steps.warehouse.migrations import apply_schema


def main(_argv: Sequence[str] | None = None) -> None:
    apply_schema()


if __name__ == "__main__":
    console.run(main)
