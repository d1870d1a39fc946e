"""Every stage of `make bench-scale` is a command that its step accepts."""

import importlib
from pathlib import Path

import pytest

from bench.scale.stages import AS_OF, NEXT_MONTH, Stage, stages

STEPS = [
    stage for stage in stages(Path(__file__).parent, Path(__file__).parent) if stage.command[1].startswith("steps.")
]


@pytest.mark.parametrize("stage", STEPS, ids=lambda stage: stage.name)
def test_a_stage_has_every_argument_of_its_step(stage: Stage) -> None:
    module, *arguments = stage.command[1:]
    assert importlib.import_module(module).parse_args(arguments).as_of.isoformat() in (AS_OF, NEXT_MONTH)
