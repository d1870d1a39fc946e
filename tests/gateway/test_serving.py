"""A 200 always carries exactly the features that the answering version asked for."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from feature_enricher import serving as serving_module
from feature_enricher.errors import MissingFeatures, ModelRejected, ModelUnavailable, RegistryUnavailable
from feature_enricher.model import Prediction
from feature_enricher.serving import Serving

from .fakes import COMPLETE, USER, FakeFeatures, FakeModel, FakeRegistry, prediction


def known(*names: str) -> FakeFeatures:
    return FakeFeatures({USER: {name: COMPLETE[name] for name in names or COMPLETE}})


def test_the_registry_is_asked_once_and_then_left_alone() -> None:
    registry = FakeRegistry()
    serving = Serving(known(), FakeModel(), registry)

    for _ in range(3):
        serving.predict([USER])

    assert registry.calls == 1


def test_an_answer_of_a_version_with_other_features_is_asked_for_again_with_those() -> None:
    features, model = known(), FakeModel("churn_v2")
    serving = Serving(features, model, FakeRegistry("churn_v1"))

    [scored] = serving.predict([USER])

    assert list(scored.features_used) == ["months_active", "total_paid"]
    assert scored.answer.feature_service == "churn_v2"
    assert serving.known_service == "churn_v2"


def test_refused_rows_are_sent_again_with_the_registrys_list() -> None:
    model, registry = FakeModel(strict=ModelRejected("400")), FakeRegistry("churn_v1")
    serving = Serving(known(), model, registry)
    serving.predict([USER])
    model.service = registry.service = "churn_v2"

    [scored] = serving.predict([USER])

    assert list(scored.features_used) == ["months_active", "total_paid"]


def test_rows_refused_with_the_registrys_list_are_an_error() -> None:
    serving = Serving(known(), FakeModel("churn_v2", strict=ModelRejected("400")), FakeRegistry("churn_v1"))

    with pytest.raises(ModelRejected):
        serving.predict([USER])


def test_rows_refused_while_the_registry_is_down_are_a_models_error() -> None:
    registry = FakeRegistry("churn_v1")
    model = FakeModel(strict=ModelRejected("400"))
    serving = Serving(known(), model, registry)
    serving.predict([USER])
    model.service, registry.error = "churn_v2", RegistryUnavailable("down")

    with pytest.raises(ModelRejected):
        serving.predict([USER])


def test_a_model_that_never_agrees_is_given_up() -> None:
    class Fickle(FakeModel):
        def predict(self, rows: Sequence[Mapping[str, Any]]) -> list[Prediction]:
            return [prediction("churn_v1" if "total_paid" in row else "churn_v2") for row in rows]

    features = known()
    with pytest.raises(ModelUnavailable, match="changes its feature list"):
        Serving(features, Fickle(), FakeRegistry()).predict([USER])

    assert len(features.asked) == serving_module.MAX_ROUNDS


def test_a_user_without_the_old_features_is_served_once_the_new_list_is_in_production() -> None:
    registry, model = FakeRegistry("churn_v1"), FakeModel("churn_v1")
    features = FakeFeatures({USER: COMPLETE, "new": {"months_active": 1, "total_paid": 5.0}})
    serving = Serving(features, model, registry)
    serving.predict([USER])
    registry.service = model.service = "churn_v2"

    [scored] = serving.predict(["new"])

    assert scored.features_used == {"months_active": 1, "total_paid": 5.0}


def test_unknown_users_do_not_send_every_request_to_the_registry() -> None:
    registry = FakeRegistry()
    serving = Serving(known(), FakeModel(), registry)

    for number in range(5):
        with pytest.raises(MissingFeatures):
            serving.predict([f"unknown-{number}"])

    assert registry.calls == 2


def test_several_users_are_answered_in_their_order() -> None:
    features = FakeFeatures({str(n): COMPLETE | {"months_active": n} for n in range(3)})

    scored = Serving(features, FakeModel(), FakeRegistry()).predict(["2", "0", "1"])

    assert [one.features_used["months_active"] for one in scored] == [2, 0, 1]
