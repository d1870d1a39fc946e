"""The simulation behind docs/gate-error-rates.md has the intended gain, and the committed table is its output."""

import re

import numpy as np
import pytest

from bench import gate_rates
from bench.gate_rates import DOCUMENT, GAINS, RULES, SETTINGS, Setting, cell, population, section, usual_margin
from steps.registry.examination import interval

SMALL = Setting(users=2_000, leave=0.265, comparisons=60)


def test_the_scores_have_the_intended_aucs_and_correlation() -> None:
    rows = population(Setting(400_000, 0.265, 1), 0.02, np.random.default_rng(1))
    assert len(rows) == 100_000
    assert rows.truth.mean() == pytest.approx(0.265, abs=1e-4)
    assert interval.auc(rows.truth, rows.production) == pytest.approx(0.82, abs=0.005)
    assert interval.auc(rows.truth, rows.candidate) == pytest.approx(0.84, abs=0.005)
    for leaves in (True, False):
        of_class = rows.truth == leaves
        correlation = np.corrcoef(rows.candidate[of_class], rows.production[of_class])[0, 1]
        assert correlation == pytest.approx(gate_rates.CORRELATION, abs=0.01)


def test_the_more_a_candidate_gains_the_more_often_it_is_promoted() -> None:
    cells = [cell(SMALL, gain, 0.01) for gain in (-0.02, 0.0, 0.02)]
    for rule in RULES:
        shares = [result.promotes[rule] for result in cells]
        assert shares == sorted(shares)
        assert shares[0] < shares[2]
    for result in cells:
        assert result.promotes["better"] <= result.promotes["not_worse"]
        assert result.promotes["better"] <= result.promotes["point"]


def test_a_section_has_a_line_for_each_true_gain() -> None:
    text = section(SMALL, [gate_rates.Cell(gain, 60, dict.fromkeys(RULES, 0.5), 0.02) for gain in GAINS])
    assert "2,000 users, of whom 500 validate and 26.5% leave" in text
    assert "| -0.02 | 50.0% ±6.5% | 50.0% ±6.5% | 50.0% ±6.5% |" in text
    assert text.count("\n|") == 2 + len(GAINS)


def committed(setting: Setting) -> list[str]:
    """The rows of the setting's table in the committed document."""
    (table,) = re.findall(
        rf"\*\*{setting.users:,} users, of whom [\d,]+ validate and {setting.leave:.1%} leave\*\*.*?\n\n((?:\|.*\n?)+)",
        DOCUMENT.read_text(),
    )
    return [str(line) for line in table.splitlines()[2:]]


def test_the_committed_table_has_every_setting_and_one_of_its_cells_is_reproduced() -> None:
    for setting in SETTINGS:
        assert [line.split("|")[1].strip() for line in committed(setting)] == [f"{gain:+.2f}" for gain in GAINS]
    setting = SETTINGS[0]
    again = cell(setting, 0.01, usual_margin())
    assert committed(setting)[3] == section(setting, [again]).splitlines()[-1]


def test_the_committed_text_is_the_scripts() -> None:
    assert DOCUMENT.read_text().startswith(gate_rates.document([], usual_margin()).rstrip())
