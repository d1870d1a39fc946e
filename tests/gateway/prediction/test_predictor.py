"""A 200 always carries exactly the features that the answering version asked for."""

import threading
from collections.abc import Sequence

import pytest

from feature_enricher.errors.requests import MissingFeatures, UnknownUser, ValuesRefused
from feature_enricher.errors.upstream import AnotherVersion, ModelRejected, ModelUnavailable, RegistryUnavailable
from feature_enricher.prediction import predictor
from feature_enricher.prediction.predictor import Item, Result, Serving
from feature_enricher.upstream.model_server import Model, Prediction
from feature_enricher.upstream.targets import HandStarted
from feature_store.deadline import Deadline
from feature_store.reading import FeatureRow
from tests.gateway.fakes import COMPLETE, USER, FakeFeatures, FakeModel, FakeRegistry, FixedTarget, prediction


def known(*names: str) -> FakeFeatures:
    return FakeFeatures({USER: {name: COMPLETE[name] for name in names or COMPLETE}})


def hand_started(features: FakeFeatures, model: Model, registry: FakeRegistry) -> Serving:
    return Serving(features, HandStarted("http://model", model, registry))


def predict(serving: Serving, *users: str) -> list[Result]:
    return serving.predict([Item(user) for user in users], Deadline.after(5))


def predicted(serving: Serving, *users: str) -> list[Prediction]:
    results = predict(serving, *users)
    assert [result for result in results if not isinstance(result, Prediction)] == []
    return [result for result in results if isinstance(result, Prediction)]


def test_the_registry_is_asked_once_and_then_left_alone() -> None:
    registry = FakeRegistry()
    serving = hand_started(known(), FakeModel(), registry)

    for _ in range(3):
        predicted(serving, USER)

    assert registry.calls == 1


def test_an_answer_of_a_version_with_other_features_is_asked_for_again_with_those() -> None:
    serving = hand_started(known(), FakeModel("churn_v2"), FakeRegistry("churn_v1"))

    [one] = predicted(serving, USER)

    assert list(one.row.features) == ["months_active", "total_paid"]
    assert one.feature_service == "churn_v2"
    assert serving.targets.state()["serving"]["feature_service"] == "churn_v2"


def test_refused_rows_are_sent_again_with_the_registrys_list() -> None:
    model, registry = FakeModel(strict=ModelRejected("400")), FakeRegistry("churn_v1")
    serving = hand_started(known(), model, registry)
    predicted(serving, USER)
    model.service = registry.service = "churn_v2"

    [one] = predicted(serving, USER)

    assert list(one.row.features) == ["months_active", "total_paid"]


def test_rows_refused_with_the_registrys_list_are_an_error() -> None:
    model = FakeModel("churn_v2", strict=ModelRejected("400"))

    with pytest.raises(ModelRejected):
        predict(hand_started(known(), model, FakeRegistry("churn_v1")), USER)


def test_rows_refused_while_the_registry_is_down_are_a_models_error() -> None:
    registry = FakeRegistry("churn_v1")
    model = FakeModel(strict=ModelRejected("400"))
    serving = hand_started(known(), model, registry)
    predicted(serving, USER)
    model.service, registry.error = "churn_v2", RegistryUnavailable("down")

    with pytest.raises(ModelRejected):
        predict(serving, USER)


def test_values_given_with_the_request_that_the_model_refuses_are_the_requests_fault() -> None:
    class KnowsNoFiber(FakeModel):
        def predict(self, rows: Sequence[FeatureRow], deadline: Deadline) -> list[Prediction]:
            if any(row.features["months_active"] == 13 for row in rows):
                raise ModelRejected("400")
            return super().predict(rows, deadline)

    serving = hand_started(known(), KnowsNoFiber("churn_v1"), FakeRegistry("churn_v1"))
    given = Item(USER, {"months_active": 13})

    alone, beside = serving.predict([given], Deadline.after(1)), serving.predict([Item(USER), given], Deadline.after(1))

    assert isinstance(beside[0], Prediction)
    for refused in (alone[0], beside[1]):
        assert isinstance(refused, ValuesRefused)
        assert (refused.status, refused.fields) == (409, ["features.months_active"])


def test_values_that_the_model_refuses_cost_a_list_of_users_no_call_for_each() -> None:
    class Refuses(FakeModel):
        calls = 0

        def predict(self, rows: Sequence[FeatureRow], deadline: Deadline) -> list[Prediction]:
            self.calls += 1
            if any(row.features["months_active"] == 13 for row in rows):
                raise ModelRejected("400")
            return super().predict(rows, deadline)

    model, overrides = Refuses(), {"months_active": 13}
    users = [str(number) for number in range(200)]
    serving = Serving(FakeFeatures(dict.fromkeys([*users, USER], COMPLETE)), FixedTarget(model))
    refused = [Item(user, overrides) for user in users]

    first, *others, last = serving.predict([Item(USER), *refused, Item(USER)], Deadline.after(5))

    assert isinstance(first, Prediction)
    assert isinstance(last, Prediction)
    assert {type(one) for one in others} == {ValuesRefused}
    assert model.calls == 4  # together, the two without values, the others together, one of them


def test_a_user_of_whom_nothing_is_stored_is_unknown_whatever_the_request_gives() -> None:
    serving = hand_started(known(), FakeModel("churn_v2"), FakeRegistry("churn_v2"))

    [one] = serving.predict([Item("nobody", {"months_active": 13})], Deadline.after(1))

    assert isinstance(one, UnknownUser)
    assert one.missing_features == ["total_paid"]


def test_a_row_that_the_model_refuses_does_not_fail_its_neighbours() -> None:
    class Picky(FakeModel):
        def predict(self, rows: Sequence[FeatureRow], _deadline: Deadline) -> list[Prediction]:
            if any(row.features["months_active"] == 13 for row in rows):
                raise ModelRejected("400")
            return [prediction(row) for row in rows]

    users = {str(n): COMPLETE | {"months_active": n} for n in range(11, 18)}

    results = predict(Serving(FakeFeatures(users), FixedTarget(Picky())), *users)

    assert [type(result) for result in results] == [
        Prediction,
        Prediction,
        ModelRejected,
        Prediction,
        Prediction,
        Prediction,
        Prediction,
    ]


def test_a_model_that_never_agrees_is_given_up() -> None:
    class Fickle(FakeModel):
        def predict(self, rows: Sequence[FeatureRow], _deadline: Deadline) -> list[Prediction]:
            return [prediction(row, "churn_v1" if "total_paid" in row.features else "churn_v2") for row in rows]

    features = known()
    with pytest.raises(ModelUnavailable, match="changes its feature list"):
        predict(hand_started(features, Fickle(), FakeRegistry()), USER)

    assert len(features.asked) == predictor.MAX_ROUNDS


def test_a_version_that_is_not_the_live_one_is_not_believed() -> None:
    with pytest.raises(AnotherVersion):
        predict(Serving(known(), FixedTarget(FakeModel("churn_v2"), "churn_v1")), USER)


def test_a_user_without_the_old_features_is_served_once_the_new_list_is_in_production() -> None:
    class Asked(FakeRegistry):
        def feature_service(self) -> str:
            asked.set() if self.calls else None
            return super().feature_service()

    asked = threading.Event()
    registry, model = Asked("churn_v1"), FakeModel("churn_v1")
    features = FakeFeatures({USER: COMPLETE, "new": {"months_active": 1, "total_paid": 5.0}})
    serving = hand_started(features, model, registry)
    predicted(serving, USER)
    registry.service = model.service = "churn_v2"

    [first] = predict(serving, "new")

    assert isinstance(first, MissingFeatures)
    assert asked.wait(5)
    until = Deadline.after(5)
    while not until.is_over() and serving.targets.state()["serving"]["feature_service"] == "churn_v1":
        pass
    [second] = predicted(serving, "new")
    assert second.row.features == {"months_active": 1, "total_paid": 5.0}


def test_unknown_users_do_not_send_every_request_to_the_registry() -> None:
    registry = FakeRegistry()
    serving = hand_started(known(), FakeModel(), registry)

    for number in range(5):
        [missing] = predict(serving, f"unknown-{number}")
        assert isinstance(missing, UnknownUser)

    assert registry.calls <= 2


def test_several_users_are_answered_in_their_order_each_for_itself() -> None:
    features = FakeFeatures({str(n): COMPLETE | {"months_active": n} for n in range(3)})

    results = predict(Serving(features, FixedTarget(FakeModel())), "2", "nobody", "0", "1")

    assert isinstance(results[1], UnknownUser)
    answered = [result for result in results if isinstance(result, Prediction)]
    assert [one.row.features["months_active"] for one in answered] == [2, 0, 1]


def test_the_model_is_not_asked_about_nobody() -> None:
    model = FakeModel()

    assert isinstance(predict(Serving(known(), FixedTarget(model)), "nobody")[0], UnknownUser)
    assert model.rows == []
