"""The input example in a model is typical of the training set, valid, and no customer's row."""

import mlflow.models
import pandas as pd
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st
from pandera.pandas import DataFrameSchema

from steps.month.files import FILES
from steps.training.model.input_example import input_example
from tests.steps.states.trainings import model_folder, rows

# few values, so that customers often have the typical ones; the limits are those of a month's files
VALUES = {
    "months_active": st.integers(0, 3) | st.just(1200),
    "monthly_fee": st.sampled_from([0.0, 19.95, 98.7, 10_000.0]),
    "paperless_billing": st.booleans(),
    "net_service": st.sampled_from(["DSL", "Fiber optic", "No"]),
    "watch_hours_30d": st.sampled_from([0.0, 720.0]),
}
TYPES = {"months_active": "int64", "monthly_fee": "float64", "paperless_billing": "bool", "net_service": "object",
         "watch_hours_30d": "float64"}  # fmt: skip
CUSTOMERS = st.lists(st.fixed_dictionaries(VALUES), min_size=1, max_size=40)


def frame(customers: list[dict[str, object]], *columns: str) -> pd.DataFrame:
    names = list(columns or VALUES)
    return pd.DataFrame(customers, columns=names).astype({name: TYPES[name] for name in names})


def is_a_customers(example: pd.DataFrame, customers: pd.DataFrame) -> bool:
    return bool((customers == example.iloc[0]).all(axis=1).any())


def require_valid(example: pd.DataFrame) -> None:
    """Raises SchemaError for a value that the checks of a month's files would refuse."""
    checks = {**FILES["subscriptions"].columns, **FILES["usage_agg_30d"].columns}
    text = example.astype(str).astype(pd.ArrowDtype(pa.string()))
    DataFrameSchema({name: checks[name] for name in example}).validate(text)


@settings(deadline=None)
@given(CUSTOMERS)
def test_no_customer_has_the_example_and_it_is_valid(customers: list[dict[str, object]]) -> None:
    everybody = frame(customers)
    example = input_example(everybody)
    assert not is_a_customers(example, everybody)
    assert example.dtypes.to_dict() == everybody.dtypes.to_dict()
    assert len(example) == 1
    for name in ("paperless_billing", "net_service"):
        assert example[name].iloc[0] in set(everybody[name])
    for name in ("months_active", "monthly_fee", "watch_hours_30d"):
        assert 0 <= example[name].iloc[0] <= max(1, everybody[name].max())
    require_valid(example)


@settings(deadline=None)
@given(CUSTOMERS, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(customers: list[dict[str, object]], random: "object") -> None:
    shuffled = list(customers)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    pd.testing.assert_frame_equal(input_example(frame(customers)), input_example(frame(shuffled)))


@settings(deadline=None)
@given(st.lists(st.fixed_dictionaries({"months_active": st.integers(0, 3)}), min_size=1, max_size=40))
def test_whole_numbers_alone_are_enough(customers: list[dict[str, object]]) -> None:
    everybody = frame(customers, "months_active")
    assert not is_a_customers(input_example(everybody), everybody)


def test_without_numbers_a_combination_is_taken_that_no_customer_has() -> None:
    both = [("No", True), ("No", False), ("DSL", True)]
    customers = pd.DataFrame(both, columns=["net_service", "paperless_billing"])
    assert input_example(customers).iloc[0].tolist() == ["DSL", False]


def test_where_every_combination_is_a_customers_the_example_is_the_typical_row() -> None:
    customers = pd.DataFrame({"paperless_billing": [True, False, True]})
    assert input_example(customers).iloc[0].tolist() == [True]


def test_the_example_in_a_logged_model_is_no_customers_row(trainings: dict[str, str]) -> None:
    for run_id in trainings.values():
        folder = str(model_folder(run_id))
        example = mlflow.models.Model.load(folder).load_input_example(folder)
        everybody = rows(run_id)[list(example.columns)]
        assert not is_a_customers(example, everybody)
        numbers = everybody.select_dtypes(["int64", "float64"])
        assert all(numbers[name].min() <= example[name].iloc[0] <= numbers[name].max() for name in numbers)
