"""The feature list of the version behind a model server that was started by hand: its own answer to a made-up row."""

from feature_enricher.errors.upstream import ModelRejected, ModelUnavailable
from feature_enricher.prediction.features import Features
from feature_enricher.upstream.model_server import ModelClient
from feature_store.deadline import Deadline
from feature_store.reading import FeatureRow, Plan

# The made-up texts are categories that no version was trained on; its answer names its feature list all the same.
MADE_UP = {"Int64": 0, "Float64": 0.0, "Bool": False, "String": ""}


class FeatureListOfModel:
    def __init__(self, model: ModelClient, features: Features) -> None:
        self._model = model
        self._features = features

    def feature_service(self, deadline: Deadline) -> str:
        """The name of the FeatureService that the version was trained with. Raises Unavailable.

        A version refuses a row without its features, and ignores further ones. So it gets one row of each list until
        it accepts one.
        """
        if deadline.is_over():  # not a failure of the model server
            raise ModelUnavailable("The model server has not named its feature list yet")
        services = self._features.services(deadline)
        for service in services:
            try:
                [answer] = self._model.predict([_made_up(self._features.plan(service, deadline))], deadline)
            except ModelRejected:
                continue
            return answer.feature_service
        raise ModelRejected(f"The model server refused a row of each feature list: {', '.join(services) or 'none'}")


def _made_up(plan: Plan) -> FeatureRow:
    return FeatureRow({name: MADE_UP[kind] for name, kind in zip(plan.names, plan.types, strict=True)}, {})
