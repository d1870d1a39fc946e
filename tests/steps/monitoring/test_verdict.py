"""From rows to verdict, closing line, page, card and the run's tags and metrics."""

import re
from dataclasses import replace
from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest

from steps.monitoring.report import card, page, record
from steps.monitoring.rows import ALL, UNSEEN, Row
from steps.monitoring.verdict import judge, last_line

JANUARY, FEBRUARY = date(2024, 1, 31), date(2024, 2, 29)
TRAINING = "training set of 2024-01-31"
CALM = [
    Row("drift_share", "features", 14, 0.0, verdict="ok", reference=TRAINING, threshold=0.3),
    Row("target_share_before", ALL, 7043, 0.2654, reference=TRAINING),
    Row("target_drift", ALL, 7043, -0.0239, -0.03, -0.01, "ok", TRAINING, 0.05),
    Row("AUC", UNSEEN, 1761, 0.82, 0.8, 0.84, "ok", month=JANUARY),
    Row("AUC", UNSEEN, 1761, 0.81, 0.79, 0.83, "ok", month=FEBRUARY),
    Row("AUC", "gender=Female", 900, 0.80, 0.76, 0.83, month=FEBRUARY),
    Row("AUC", "senior=yes", 80, None, reason="senior=yes: 80 labelled users, fewer than 100", month=FEBRUARY),
    Row("unchanged_share", "net_service", 7043, 1.0, verdict="ok"),
    Row("unchanged_share", "skips_7d", 7043, 0.1, verdict="ok"),
]
FELL = Row("AUC", UNSEEN, 1761, 0.49, 0.46, 0.52, "alarm", threshold=0.8, reason="AUC 0.49", month=FEBRUARY)
FROZEN = Row("unchanged_share", "skips_7d", 7043, 1.0, verdict="alarm", reason="skips_7d is frozen")


def instead(row: Row) -> list[Row]:
    same = [(other.metric, other.slice, other.month) for other in CALM].index((row.metric, row.slice, row.month))
    return [*CALM[:same], row, *CALM[same + 1 :]]


def closing(rows: list[Row]) -> str:
    return last_line(FEBRUARY, "3", judge(rows), rows)


def test_a_calm_month_is_ok_and_needs_no_action() -> None:
    assert judge(CALM).verdict == "ok"
    assert judge(CALM).reasons == ()
    assert closing(CALM) == (
        "NO_ACTION streamflow_churn version 3, 2024-02-29, verdict ok: drift share 0.00 (0 of 14 features, training "
        "set of 2024-01-31); target drift 0.0239 (0.2654 to 0.2415, training set of 2024-01-31); AUC of 2024-02-29 "
        "0.8100 (0.7900 to 0.8300, 1,761 users never trained on)."
    )


def test_a_fallen_auc_asks_for_a_new_training() -> None:
    rows = instead(FELL)
    assert judge(rows).verdict == "alarm"
    assert closing(rows).startswith("RETRAINING_TRIGGERED streamflow_churn version 3, 2024-02-29, verdict alarm: ")
    assert not closing(rows).endswith("as they are.")


def test_a_fallen_auc_of_an_earlier_month_no_longer_counts() -> None:
    assert judge(instead(replace(FELL, month=JANUARY))).verdict == "ok"


def test_wrong_files_are_an_alarm_that_no_training_helps() -> None:
    rows = instead(FROZEN)
    assert judge(rows).verdict == "alarm"
    assert closing(rows).startswith("NO_ACTION ")
    assert closing(rows).endswith("Check the month's files first: do not train on them as they are.")
    assert judge(rows).reasons[-1] == (
        "2 of 2 features have the same value for each user as the month before: net_service, skips_7d"
    )


def test_columns_that_may_stay_are_no_reason_alone() -> None:
    assert judge(CALM).frozen == ("net_service",)


def test_alarms_come_before_watches() -> None:
    watch = Row("PSI", "monthly_fee", 7043, 0.08, verdict="watch", reason="monthly_fee drifted")
    assert judge([watch, *instead(FELL)]).reasons == ("AUC 0.49", "monthly_fee drifted")
    assert judge([watch, *CALM]).verdict == "watch"


def test_metrics_have_names_that_mlflow_accepts_and_the_newest_months_figures() -> None:
    metrics = record.metrics(CALM)
    assert (metrics["AUC"], metrics["AUC_low"], metrics["AUC_high"]) == (0.81, 0.79, 0.83)
    assert metrics["AUC_gender_Female"] == 0.80
    assert metrics["drift_share"] == 0
    assert all(re.fullmatch(r"[\w.\- /]{1,250}", name) for name in metrics)


def test_the_last_figure_of_the_table_is_the_verdict_with_its_reasons() -> None:
    *_rows, last = record.figures(FEBRUARY, instead(FELL), judge(instead(FELL)))
    assert (last["metric"], last["verdict"], last["reason"], last["month"]) == (
        "verdict",
        "alarm",
        "AUC 0.49",
        FEBRUARY,
    )


def test_the_page_escapes_values_and_loads_nothing() -> None:
    hostile = Row("new_category_share", "net_service", 9, 0.1, verdict="watch", reason="<img src=http://x/y>")
    document = page.page(FEBRUARY, "3", judge([hostile]), "<script>", [hostile, *CALM])
    assert "<img" not in document
    assert "<script" not in document
    assert "&lt;img src=http://x/y&gt;" in document
    assert re.findall(r'(?:src|href)="(?!data:)', document) == []
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in document
    assert "senior=yes: 80 labelled users, fewer than 100" in document


def training(**tags: str) -> Any:
    data = SimpleNamespace(
        tags={"as_of": "2024-01-31", "feature_service": "churn_v1", **tags},
        params={"n_estimators": "300"},
        metrics={"AUC": 0.8254, "rows_train": 5282.0, "rows_validation": 1761.0},
    )
    return SimpleNamespace(info=SimpleNamespace(run_id="abc"), data=data)


def test_the_card_is_made_from_the_run_and_the_figures() -> None:
    text = card.card("3", training(), FEBRUARY, judge(instead(FELL)), instead(FELL))
    for part in (
        "## Model card: streamflow_churn version 3",
        "- training run: `abc`",
        "- fitted to 5,282 users; validation on 1,761 others: AUC `0.8254`",
        "- monitored in 2024-02-29: alarm",
        "  - `gender=Female`: 0.8000 (95% interval 0.7600 to 0.8300), 900 users",
        "- too few labelled users for a figure: `senior=yes`",
    ):
        assert part in text


@pytest.mark.parametrize("value", ["`<b>`", "![](http://x/y.png)", "a\n# title", "``` x"])
def test_values_of_tags_are_code_in_the_card(value: str) -> None:
    text = card.card("3", training(feature_service=value), FEBRUARY, judge(CALM), CALM)
    [line] = [line for line in text.splitlines() if line.startswith("- feature service: ")]
    fence = re.match(r"`+", line.removeprefix("- feature service: "))
    assert fence is not None
    assert line.endswith(fence[0])
    assert fence[0] not in line.removeprefix("- feature service: ").strip("`")


def test_a_new_card_replaces_the_former_one_and_nothing_else() -> None:
    first = card.card("3", training(), JANUARY, judge(CALM), CALM)
    second = card.card("3", training(), FEBRUARY, judge(CALM), CALM)
    before = f"a person's note\n{first}\nNot served: it has no seal"
    assert card.description(second, before) == f"a person's note\nNot served: it has no seal\n{second}"
    assert card.description(first, "") == first


def test_a_card_without_room_is_shortened_and_can_still_be_replaced() -> None:
    text = card.card("3", training(), JANUARY, judge(CALM), CALM)
    note = "x" * (card.LONGEST - 300)
    described = card.description(text, note)
    assert len(described) <= card.LONGEST
    assert described.splitlines()[0] == note
    assert described.splitlines()[-1].startswith(card.END)
    assert card.description(text, described) == described
    assert card.description(text, "x" * card.LONGEST) == "x" * card.LONGEST
