"""A model server that was started by hand names its own feature list: neither MLflow nor the watcher is needed."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from flask.testing import FlaskClient

from feature_enricher.app import create_app
from feature_enricher.errors.upstream import ModelRejected, ModelUnavailable, StoreUnavailable
from feature_enricher.prediction.feature_list import FeatureListOfModel
from feature_enricher.upstream.model_server import ModelAnswer, NotTrainedOn
from feature_enricher.upstream.targets import FixedModelServer
from feature_store.deadline import Deadline
from feature_store.reading import FeatureRow
from tests.gateway.fakes import COMPLETE, LISTS, RUN_ID, USER, FailingModel, FakeFeatures, FakeModel

ROW: Mapping[str, Any] = {"months_active": 0, "monthly_fee": 0.0, "net_service": ""}


class Trained(FakeModel):
    """Refuses a row without its features, ignores further ones, and marks an unknown category, as the served model."""

    def predict(self, rows: Sequence[FeatureRow], _deadline: Deadline) -> list[ModelAnswer]:  # type: ignore[override]
        self.rows.extend(row.features for row in rows)
        if any(not set(LISTS[self.service]) <= set(row.features) for row in rows):
            raise ModelRejected("400")
        return [NotTrainedOn({}, "streamflow_churn", "3", RUN_ID, self.service) for _row in rows]


def soon() -> Deadline:
    return Deadline.after(5)


@pytest.mark.parametrize("service", LISTS)
def test_it_is_the_one_that_the_version_was_trained_with(service: str) -> None:
    assert FeatureListOfModel(Trained(service), FakeFeatures({})).feature_service(soon()) == service


def test_the_made_up_row_has_the_types_of_the_features() -> None:
    model = Trained("churn_v1")
    FeatureListOfModel(model, FakeFeatures({})).feature_service(soon())
    assert model.rows == [ROW]


def test_a_version_that_refuses_every_list_is_an_error_that_names_them() -> None:
    with pytest.raises(ModelRejected, match="churn_v1, churn_v2"):
        FeatureListOfModel(FailingModel(ModelRejected("400")), FakeFeatures({})).feature_service(soon())


def test_without_time_left_the_model_server_is_not_called() -> None:
    model = Trained()
    with pytest.raises(ModelUnavailable, match="not named its feature list yet"):
        FeatureListOfModel(model, FakeFeatures({})).feature_service(Deadline.after(0))
    assert model.rows == []


def client_of(model: FakeModel) -> FlaskClient:
    features = FakeFeatures({USER: COMPLETE})
    targets = FixedModelServer("http://model", model, FeatureListOfModel(model, features))
    client: FlaskClient = create_app(features=features, targets=targets).test_client()
    return client


def test_an_unknown_user_misses_the_features_of_the_version_and_no_others() -> None:
    answer = client_of(Trained("churn_v2")).get("/features/999999")
    assert (answer.status_code, answer.get_json()["missing_features"]) == (404, list(LISTS["churn_v2"]))


def test_once_known_it_is_used_while_the_model_server_is_down() -> None:
    class Stopping(Trained):
        is_down = False

        def predict(self, rows: Sequence[FeatureRow], deadline: Deadline) -> list[ModelAnswer]:  # type: ignore[override]
            if self.is_down:
                raise ModelUnavailable("down")
            return super().predict(rows, deadline)

    model = Stopping("churn_v1")
    client = client_of(model)
    model.is_down = True
    assert client.get("/features/999999").status_code == 503
    model.is_down = False
    assert client.get("/features/999999").status_code == 404
    model.is_down = True
    assert client.get("/features/999999").get_json()["missing_features"] == list(LISTS["churn_v1"])


def test_a_store_that_does_not_answer_is_the_error() -> None:
    class Down(FakeFeatures):
        def services(self, _deadline: Deadline) -> tuple[str, ...]:
            raise StoreUnavailable("down")

    with pytest.raises(StoreUnavailable):
        FeatureListOfModel(Trained(), Down({})).feature_service(soon())
