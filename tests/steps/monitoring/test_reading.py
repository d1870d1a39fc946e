"""A version's training set as the monitor holds it: all users as the reference, validation users' features apart."""

import numpy as np
import pandas as pd

from steps.cli.settings import LABEL
from steps.monitoring.reading import in_arrow
from steps.registry.training_sets import TrainedOn, TrainingSet
from steps.training.split import split

ROWS = pd.DataFrame(
    {
        "user_id": [f"user-{number:03}" for number in range(40)],
        "monthly_fee": np.arange(40) / 4,
        "skips_7d": np.arange(40),
        "paperless_billing": np.arange(40) % 3 == 0,
        "net_service": ["DSL", "No"] * 20,
        LABEL: np.arange(40) % 4 == 0,
    }
)
FEATURES = ["monthly_fee", "skips_7d", "paperless_billing", "net_service"]


def test_all_users_are_the_reference_and_the_validation_users_are_apart() -> None:
    training = TrainingSet(split(ROWS, "user"), "user", {"as_of": "2024-01-31", "types": dict.fromkeys(FEATURES)})
    rows = in_arrow(training)
    held = pd.DataFrame({name: values.to_pandas() for name, values in rows.sample.columns.items()})
    held = held.assign(user_id=rows.sample.user_ids.to_pandas(), **{LABEL: rows.left})
    pd.testing.assert_frame_equal(held.sort_values("user_id", ignore_index=True)[list(ROWS)], ROWS)
    validating = training.parts.validation
    pd.testing.assert_frame_equal(rows.validation.to_pandas(), validating[FEATURES].reset_index(drop=True))
    assert list(rows.validated_left) == list(validating[LABEL])
    trained = TrainedOn(training.trained_users).contains(rows.sample.user_ids)
    assert trained is not None
    assert set(np.array(rows.sample.user_ids)[~trained]) == set(validating["user_id"])
