"""The sample months: their layout, their people, the signal in them, and what an interrupted run leaves behind."""

import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import ClassifierMixin
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from threadpoolctl import threadpool_limits

from steps.cli.settings import PROJECT_ROOT
from steps.month.files import PLANS, read_month
from steps.month.population import CHUNK_USERS, MAX_MONTHS, monthly_snapshots, user_ids
from steps.sample_months import main, write_months

# of each file the first line, and what every other line looks like
LAYOUT = {
    "users.csv": (
        "user_id,signup_date,user_gender,user_is_senior,has_family,has_dependents",
        "ID,2022-0[12]-[0-3][0-9],(Female|Male),FLAG,FLAG,FLAG",
    ),
    "subscriptions.csv": (
        (
            "user_id,months_active,plan_stream_tv,plan_stream_movies,contract_type,paperless_billing,"
            "monthly_fee,total_paid,net_service"
        ),
        "ID,[0-9]+,(,,TERM,FLAG,FEE,FEE,No|FLAG,FLAG,TERM,FLAG,FEE,FEE,(DSL|Fiber optic))",
    ),
    "usage_agg_30d.csv": (
        "user_id,watch_hours_30d,avg_session_mins_7d,unique_devices_30d,skips_7d,rebuffer_events_7d",
        "ID,[0-9]+[.][0-9]+,29[.]140625,[123],[0-9]+,[0-9]",
    ),
    "payments_agg_90d.csv": ("user_id,failed_payments_90d", "ID,[012]"),
    "support_agg_90d.csv": (
        "user_id,support_tickets_90d,ticket_avg_resolution_hrs_90d",
        "ID,[0-4],[0-9]+[.][0-9]",
    ),
    "labels.csv": ("user_id,churn_label", "ID,FLAG"),
}
SHAPES = {
    "ID": "[0-9]{4}-[A-Z]{5}",
    "FLAG": "(True|False)",
    "TERM": "(Month-to-month|One year|Two year)",
    "FEE": "[0-9]+[.][0-9]{1,2}",
}
NOT_IN_BASELINE = {"user_id", "contract_type", "total_paid"}


def sample(out_dir: Path, users: int = 200, months: int = 1, seed: int = 42) -> Path:
    main(["--out-dir", str(out_dir), "--users", str(users), "--months", str(months), "--seed", str(seed)])
    return out_dir


def in_subprocess(out_dir: Path, users: int) -> list[str]:
    options = ["--out-dir", str(out_dir), "--users", str(users), "--months", "1", "--seed", "1"]
    return [sys.executable, "-m", "steps.sample_months", *options]


def content(out_dir: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out_dir)): path.read_bytes() for path in out_dir.rglob("*.csv")}


def joined(month: Path) -> pd.DataFrame:
    """The six files joined by user_id; empty plans are False."""
    tables = [pd.read_csv(month / name, index_col="user_id") for name in LAYOUT]
    rows = pd.concat(tables, axis=1, verify_integrity=True).sort_index()
    return rows.assign(**{plan: rows[plan].eq(True) for plan in PLANS})


def validation_auc(rows: pd.DataFrame, classifier: ClassifierMixin, more: list[str]) -> float:
    columns = [column for header, _ in list(LAYOUT.values())[1:-1] for column in header.split(",")]
    features = [column for column in columns if column not in NOT_IN_BASELINE] + more
    training, held_out = train_test_split(rows, test_size=0.25, stratify=rows["churn_label"], random_state=42)
    text = [name for name in features if name in ("net_service", "contract_type")]
    encode = make_column_transformer((OneHotEncoder(sparse_output=False), text), remainder="passthrough")
    with threadpool_limits(limits=1):
        model = make_pipeline(encode, classifier).fit(training[features], training["churn_label"])
        return float(roc_auc_score(held_out["churn_label"], model.predict_proba(held_out[features])[:, 1]))


@pytest.fixture(scope="module")
def few_users(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sample(tmp_path_factory.mktemp("few"), users=200, months=2)


@pytest.fixture(scope="module")
def three_months(tmp_path_factory: pytest.TempPathFactory) -> list[pd.DataFrame]:
    out_dir = sample(tmp_path_factory.mktemp("sample"), users=7043, months=3)
    return [joined(out_dir / f"month_{month:03d}") for month in range(3)]


def test_same_arguments_give_the_same_bytes(few_users: Path, tmp_path: Path) -> None:
    again = content(sample(tmp_path, users=200, months=2))

    assert len(again) == 12
    assert again == content(few_users)


def test_another_seed_gives_other_users(few_users: Path, tmp_path: Path) -> None:
    other_users = joined(sample(tmp_path, seed=43) / "month_000")

    assert not set(other_users.index) & set(joined(few_users / "month_000").index)


def test_the_first_users_are_the_same_whatever_the_total(few_users: Path, tmp_path: Path) -> None:
    more = content(sample(tmp_path, users=300, months=2))

    assert all(more[name].startswith(text) for name, text in content(few_users).items())


@pytest.mark.parametrize("name", LAYOUT)
def test_a_file_is_laid_out_as_specified(name: str, few_users: Path) -> None:
    header, shape = LAYOUT[name]
    for short, pattern in SHAPES.items():
        shape = shape.replace(short, pattern)

    first, *rows, after_the_last = (few_users / "month_000" / name).read_bytes().decode("utf-8").split("\n")

    assert (first, len(rows), after_the_last) == (header, 200, "")
    assert pd.Series(rows).str.fullmatch(shape).all()


def test_ingest_finds_no_fault_in_a_month(few_users: Path) -> None:
    month = read_month(few_users / "month_000", date(2024, 1, 31))

    assert set(month.rows.values()) == {200}


def test_no_id_is_given_twice() -> None:
    corners = [(0, 0), (0, 1), (1, 0), (599, MAX_MONTHS - 1)]

    ids = np.concatenate([user_ids(42, chunk, month, np.arange(CHUNK_USERS)) for chunk, month in corners])

    assert len(set(ids)) == len(corners) * CHUNK_USERS
    assert list(ids[:9]) != sorted(ids[:9])


def test_values_are_like_those_of_the_real_months(three_months: list[pd.DataFrame]) -> None:
    rows = three_months[0]

    assert rows["months_active"].between(0, 72).all()
    assert rows["monthly_fee"].between(18.25, 118.75).all()
    assert rows["ticket_avg_resolution_hrs_90d"].between(1.0, 24.9).all()
    assert rows["watch_hours_30d"].agg(["mean", "std"]).tolist() == pytest.approx([29.6, 6.75], abs=0.5)
    assert rows["contract_type"].eq("Month-to-month").mean() == pytest.approx(0.55, abs=0.03)
    assert rows["net_service"].eq("No").mean() == pytest.approx(0.217, abs=0.02)
    assert rows["total_paid"].corr(rows["months_active"] * rows["monthly_fee"]) > 0.99
    assert rows.loc[rows["months_active"] == 0, "total_paid"].eq(0.0).all()
    days_back = (pd.Timestamp("2022-02-06") - pd.to_datetime(rows["signup_date"])).dt.days
    assert days_back.equals(rows["months_active"].clip(upper=36))


def test_a_quarter_of_the_users_churns_in_every_month(three_months: list[pd.DataFrame]) -> None:
    assert all(0.24 <= rows["churn_label"].mean() <= 0.28 for rows in three_months)


def test_one_in_a_hundred_leaves_and_is_replaced(three_months: list[pd.DataFrame]) -> None:
    for before, after in pairwise(three_months):
        gone, new = before.index.difference(after.index), after.index.difference(before.index)

        assert len(before) == len(after) == 7043
        assert 0.005 < len(gone) / 7043 < 0.016
        assert before.loc[gone, "churn_label"].all()
        assert after.loc[new, ["months_active", "total_paid"]].eq(0).all(axis=None)


def test_those_who_stay_are_the_same_people_one_month_on(three_months: list[pd.DataFrame]) -> None:
    lasting = [*LAYOUT["users.csv"][0].split(",")[1:], "net_service", "contract_type", "monthly_fee"]
    for before, after in pairwise(three_months):
        stay = before.index.intersection(after.index)
        then, now = before.loc[stay], after.loc[stay]

        assert now[lasting].equals(then[lasting])
        assert now["months_active"].equals((then["months_active"] + 1).clip(upper=72))
        assert now["total_paid"].equals((then["total_paid"] + then["monthly_fee"]).round(2))
        assert 0.5 < (now["watch_hours_30d"] - then["watch_hours_30d"]).std() < 1.5


@pytest.mark.parametrize("seed", [42, 7])
def test_the_baseline_learns_as_much_as_from_the_real_months(seed: int, tmp_path: Path) -> None:
    rows = joined(sample(tmp_path, users=7043, seed=seed) / "month_000")
    forest = RandomForestClassifier(300, class_weight="balanced", max_features="sqrt", random_state=42, n_jobs=-1)

    assert 0.80 < validation_auc(rows, forest, more=[]) < 0.85


def test_contract_and_total_paid_say_something_more(tmp_path: Path) -> None:
    rows = joined(sample(tmp_path, users=20_000) / "month_000")
    boosting = HistGradientBoostingClassifier(max_iter=150, max_leaf_nodes=8, learning_rate=0.05, random_state=42)

    without, with_both = (validation_auc(rows, boosting, more) for more in ([], ["contract_type", "total_paid"]))

    assert 0.003 < with_both - without < 0.03


def test_memory_does_not_grow_with_the_users(tmp_path: Path) -> None:
    # measured from a small process: a child's peak is never below what its parent held when it started it
    measure = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    command = [sys.executable, "-c", measure, *in_subprocess(tmp_path, users=300_000)]

    peak_kib = int(subprocess.run(command, cwd=PROJECT_ROOT, check=True, capture_output=True, text=True).stdout)

    assert peak_kib * 1024 < 400e6


@pytest.mark.parametrize(
    ("name", "value"),
    [("--users", "99"), ("--users", "7043.5"), ("--months", "0"), ("--months", "121"), ("--seed", "-1")],
)
def test_a_wrong_argument_is_named_with_its_value(
    name: str, value: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main([*in_subprocess(tmp_path, users=200)[3:], name, value])

    assert end.value.code == 2
    assert f"argument {name}: '{value}'" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_run_that_fails_leaves_the_months_as_they_were(tmp_path: Path) -> None:
    def failing(seed: int, chunk: int) -> Iterator[pd.DataFrame]:
        yield next(monthly_snapshots(seed, chunk))
        raise KeyboardInterrupt

    before = content(sample(tmp_path))

    with pytest.raises(KeyboardInterrupt):
        write_months(tmp_path, users=200, months=2, seed=1, snapshots=failing)

    assert [path.name for path in tmp_path.iterdir()] == ["month_000"]
    assert content(tmp_path) == before


def test_a_killed_run_leaves_nothing_that_looks_like_a_month(tmp_path: Path) -> None:
    with subprocess.Popen(in_subprocess(tmp_path, users=5_000_000), cwd=PROJECT_ROOT) as run:
        while run.poll() is None and not list(tmp_path.rglob("labels.csv")):
            time.sleep(0.02)
        run.kill()

    assert list(tmp_path.rglob("labels.csv"))
    assert not list(tmp_path.glob("month_*"))
    assert [path.name for path in sample(tmp_path).iterdir()] == ["month_000"]


def test_a_month_that_was_there_is_replaced_and_a_linked_one_spared(tmp_path: Path) -> None:
    elsewhere = sample(tmp_path / "elsewhere", seed=1)
    spared = content(elsewhere)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "month_000").symlink_to(elsewhere / "month_000")

    linked, replaced = (content(sample(tmp_path / "data", seed=seed)) for seed in (2, 3))

    assert content(elsewhere) == spared
    assert linked != replaced == content(sample(tmp_path / "fresh", seed=3))
