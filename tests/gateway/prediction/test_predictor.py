"""A prediction always has exactly the features that the answering version uses."""

import threading
from collections.abc import Sequence

import pytest

from feature_enricher.errors.requests import MissingFeatures, UnknownUser, ValuesRefused
from feature_enricher.errors.upstream import AnotherVersion, ModelRejected, ModelUnavailable
from feature_enricher.prediction.predictor import MAX_ROUNDS, Item, Predictor, Result
from feature_enricher.upstream.model_server import ModelClient, Prediction
from feature_enricher.upstream.targets import FixedModelServer
from feature_store.deadline import Deadline
from feature_store.reading import FeatureRow
from tests.gateway.fakes import COMPLETE, USER, FakeFeatureList, FakeFeatures, FakeModel, FixedTarget, prediction


def features_with(*names: str) -> FakeFeatures:
    return FakeFeatures({USER: {name: COMPLETE[name] for name in names or COMPLETE}})


def fixed_model_server(features: FakeFeatures, model: ModelClient, source: FakeFeatureList) -> Predictor:
    return Predictor(features, FixedModelServer("http://model", model, source))


def predict(predictor: Predictor, *users: str) -> list[Result]:
    return predictor.predict([Item(user) for user in users], Deadline.after(5))


def predicted(predictor: Predictor, *users: str) -> list[Prediction]:
    results = predict(predictor, *users)
    assert [result for result in results if not isinstance(result, Prediction)] == []
    return [result for result in results if isinstance(result, Prediction)]


def test_the_feature_list_is_asked_for_once() -> None:
    source = FakeFeatureList()
    predictor = fixed_model_server(features_with(), FakeModel(), source)

    for _ in range(3):
        predicted(predictor, USER)

    assert source.calls == 1


def test_a_version_with_another_feature_list_is_called_again_with_that_list() -> None:
    predictor = fixed_model_server(features_with(), FakeModel("churn_v2"), FakeFeatureList("churn_v1"))

    [result] = predicted(predictor, USER)

    assert list(result.row.features) == ["months_active", "total_paid"]
    assert result.feature_service == "churn_v2"
    assert predictor.targets.state()["serving"]["feature_service"] == "churn_v2"


def test_refused_rows_are_sent_again_with_the_models_feature_list() -> None:
    model, source = FakeModel(strict=ModelRejected("400")), FakeFeatureList("churn_v1")
    predictor = fixed_model_server(features_with(), model, source)
    predicted(predictor, USER)
    model.service = source.service = "churn_v2"

    [result] = predicted(predictor, USER)

    assert list(result.row.features) == ["months_active", "total_paid"]


def test_rows_refused_with_the_models_own_feature_list_are_an_error() -> None:
    model = FakeModel("churn_v2", strict=ModelRejected("400"))

    with pytest.raises(ModelRejected):
        predict(fixed_model_server(features_with(), model, FakeFeatureList("churn_v1")), USER)


def test_rows_refused_while_the_feature_list_is_unknown_are_an_error_of_the_model() -> None:
    source = FakeFeatureList("churn_v1")
    model = FakeModel(strict=ModelRejected("400"))
    predictor = fixed_model_server(features_with(), model, source)
    predicted(predictor, USER)
    model.service, source.error = "churn_v2", ModelUnavailable("down")

    with pytest.raises(ModelRejected):
        predict(predictor, USER)


def test_overrides_that_the_model_refuses_are_an_error_of_the_request() -> None:
    class RefusesThirteen(FakeModel):
        def predict(self, rows: Sequence[FeatureRow], deadline: Deadline) -> list[Prediction]:
            if any(row.features["months_active"] == 13 for row in rows):
                raise ModelRejected("400")
            return super().predict(rows, deadline)

    predictor = fixed_model_server(features_with(), RefusesThirteen("churn_v1"), FakeFeatureList("churn_v1"))
    overridden = Item(USER, {"months_active": 13})

    alone, together = (
        predictor.predict([overridden], Deadline.after(1)),
        predictor.predict([Item(USER), overridden], Deadline.after(1)),
    )

    assert isinstance(together[0], Prediction)
    for refused in (alone[0], together[1]):
        assert isinstance(refused, ValuesRefused)
        assert (refused.status, refused.fields) == (409, ["features.months_active"])


def test_refused_overrides_of_many_users_cost_few_calls() -> None:
    class Refuses(FakeModel):
        calls = 0

        def predict(self, rows: Sequence[FeatureRow], deadline: Deadline) -> list[Prediction]:
            self.calls += 1
            if any(row.features["months_active"] == 13 for row in rows):
                raise ModelRejected("400")
            return super().predict(rows, deadline)

    model, overrides = Refuses(), {"months_active": 13}
    users = [str(number) for number in range(200)]
    predictor = Predictor(FakeFeatures(dict.fromkeys([*users, USER], COMPLETE)), FixedTarget(model))
    refused = [Item(user, overrides) for user in users]

    first, *middle, last = predictor.predict([Item(USER), *refused, Item(USER)], Deadline.after(5))

    assert isinstance(first, Prediction)
    assert isinstance(last, Prediction)
    assert {type(result) for result in middle} == {ValuesRefused}
    assert model.calls == 4  # all, the two without overrides, the others, one of the others


def test_a_user_without_stored_values_is_unknown_despite_overrides() -> None:
    predictor = fixed_model_server(features_with(), FakeModel("churn_v2"), FakeFeatureList("churn_v2"))

    [result] = predictor.predict([Item("nobody", {"months_active": 13})], Deadline.after(1))

    assert isinstance(result, UnknownUser)
    assert result.missing_features == ["total_paid"]


def test_a_refused_row_does_not_fail_the_others() -> None:
    class Picky(FakeModel):
        def predict(self, rows: Sequence[FeatureRow], _deadline: Deadline) -> list[Prediction]:
            if any(row.features["months_active"] == 13 for row in rows):
                raise ModelRejected("400")
            return [prediction(row) for row in rows]

    users = {str(n): COMPLETE | {"months_active": n} for n in range(11, 18)}

    results = predict(Predictor(FakeFeatures(users), FixedTarget(Picky())), *users)

    assert [type(result) for result in results] == [
        Prediction,
        Prediction,
        ModelRejected,
        Prediction,
        Prediction,
        Prediction,
        Prediction,
    ]


def test_a_model_that_changes_its_feature_list_every_time_is_an_error() -> None:
    class Fickle(FakeModel):
        def predict(self, rows: Sequence[FeatureRow], _deadline: Deadline) -> list[Prediction]:
            return [prediction(row, "churn_v1" if "total_paid" in row.features else "churn_v2") for row in rows]

    features = features_with()
    with pytest.raises(ModelUnavailable, match="changes its feature list"):
        predict(fixed_model_server(features, Fickle(), FakeFeatureList()), USER)

    assert len(features.looked_up) == MAX_ROUNDS


def test_an_answer_of_another_version_than_the_live_one_is_refused() -> None:
    with pytest.raises(AnotherVersion):
        predict(Predictor(features_with(), FixedTarget(FakeModel("churn_v2"), "churn_v1")), USER)


def test_a_user_with_only_the_new_features_is_served_after_the_switch() -> None:
    class SignallingList(FakeFeatureList):
        def feature_service(self, deadline: Deadline) -> str:
            reloaded.set() if self.calls else None
            return super().feature_service(deadline)

    reloaded = threading.Event()
    source, model = SignallingList("churn_v1"), FakeModel("churn_v1")
    features = FakeFeatures({USER: COMPLETE, "new": {"months_active": 1, "total_paid": 5.0}})
    predictor = fixed_model_server(features, model, source)
    predicted(predictor, USER)
    source.service = model.service = "churn_v2"

    [first] = predict(predictor, "new")

    assert isinstance(first, MissingFeatures)
    assert reloaded.wait(5)
    until = Deadline.after(5)
    while not until.is_over() and predictor.targets.state()["serving"]["feature_service"] == "churn_v1":
        pass
    [second] = predicted(predictor, "new")
    assert second.row.features == {"months_active": 1, "total_paid": 5.0}


def test_unknown_users_do_not_each_ask_for_the_feature_list() -> None:
    source = FakeFeatureList()
    predictor = fixed_model_server(features_with(), FakeModel(), source)

    for number in range(5):
        [missing] = predict(predictor, f"unknown-{number}")
        assert isinstance(missing, UnknownUser)

    assert source.calls <= 2


def test_several_users_are_answered_in_order() -> None:
    features = FakeFeatures({str(n): COMPLETE | {"months_active": n} for n in range(3)})

    results = predict(Predictor(features, FixedTarget(FakeModel())), "2", "nobody", "0", "1")

    assert isinstance(results[1], UnknownUser)
    answered = [result for result in results if isinstance(result, Prediction)]
    assert [result.row.features["months_active"] for result in answered] == [2, 0, 1]


def test_without_complete_rows_the_model_is_not_called() -> None:
    model = FakeModel()

    assert isinstance(predict(Predictor(features_with(), FixedTarget(model)), "nobody")[0], UnknownUser)
    assert model.rows == []
