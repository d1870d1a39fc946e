"""docs/gateway.md has a line for every error that a client can get, with its title and remedy."""

import re

from feature_enricher.errors import requests, upstream
from feature_enricher.errors.base import EnricherError, InvalidSetting, NoAnswer
from local_stack.settings import ROOT

NEVER_ANSWERS = {InvalidSetting, NoAnswer}


def family(kind: type[EnricherError]) -> set[type[EnricherError]]:
    return {kind}.union(*map(family, kind.__subclasses__()))


# the modules of all errors; importing them defines the classes
MODULES = {requests.__name__, upstream.__name__, EnricherError.__module__}
KINDS = {kind for kind in family(EnricherError) - NEVER_ANSWERS if kind.__module__ in MODULES}


def test_the_documented_table_lists_the_errors_of_the_gateway() -> None:
    page = (ROOT / "docs" / "gateway.md").read_text()
    lines = re.findall(r"^\| `(\w+)` \| (\d{3}) \| (.+) \| (.+) \|$", page, re.MULTILINE)

    assert lines == sorted(lines, key=lambda line: (line[1], line[0]))
    assert set(lines) == {(kind.code, str(kind.status), kind.title, kind.remedy) for kind in KINDS}
    assert len(lines) == len(KINDS)


def test_every_error_has_its_own_code_and_an_error_status() -> None:
    assert len({kind.code for kind in KINDS}) == len(KINDS)
    assert [kind.__name__ for kind in KINDS if not 400 <= kind.status < 600] == []
