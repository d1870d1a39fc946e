"""The ways a request can end badly. Each class carries what a client may see of it; problem.py writes that down.

EnricherError (500)
├── InvalidSetting            at start, never an answer
├── InvalidRequest (422)      fields
│   └── ValuesRefused (409)   of the right type, and nothing that the live version knows
├── MissingFeatures (422)     user_id, missing_features
│   └── UnknownUser (404)
├── StaleFeatures (422)       user_id, stale_features
├── UnknownCategory (422)     user_id, unknown_categories
├── Unauthorized (401)
├── TooManyUsers (413)
├── RequestRefused            what HTTP itself refuses: its own status (400, 405, …) and headers
│   ├── NoSuchPath (404)
│   ├── WrongMethod (405)
│   ├── BodyTooLarge (413)
│   ├── NotJson (415)
│   └── UnsupportedEncoding (415)
├── NoAnswer                  a server did not answer in time; translated at the border, never an answer
└── Unavailable (503)         retry_after_s
    ├── Overloaded            too many are waiting
    ├── DeadlineExceeded
    ├── StoreUnavailable
    │   └── StoreCircuitOpen
    ├── ModelUnavailable
    │   ├── ModelCircuitOpen
    │   ├── ModelRejected     the model server refused the rows
    │   ├── AnotherVersion    the model server is not the one it was taken for; feature_service
    │   └── NoLiveModel       the watcher has no model server to turn to at this moment
    ├── RolloutUnavailable    the watcher was never reached
    └── RegistryUnavailable
        └── NoServingVersion
"""

from feature_enricher.errors.base import EnricherError, InvalidSetting, NoAnswer, reason
from feature_enricher.errors.parts import (
    AnotherVersion,
    DeadlineExceeded,
    ModelCircuitOpen,
    ModelRejected,
    ModelUnavailable,
    NoLiveModel,
    NoServingVersion,
    Overloaded,
    RegistryUnavailable,
    RolloutUnavailable,
    StoreCircuitOpen,
    StoreUnavailable,
    Unavailable,
)
from feature_enricher.errors.requests import (
    BodyTooLarge,
    InvalidRequest,
    MissingFeatures,
    NoSuchPath,
    NotJson,
    RequestRefused,
    StaleFeatures,
    TooManyUsers,
    Unauthorized,
    UnknownCategory,
    UnknownUser,
    UnsupportedEncoding,
    ValuesRefused,
    WrongMethod,
)

__all__ = [
    "AnotherVersion",
    "BodyTooLarge",
    "DeadlineExceeded",
    "EnricherError",
    "InvalidRequest",
    "InvalidSetting",
    "MissingFeatures",
    "ModelCircuitOpen",
    "ModelRejected",
    "ModelUnavailable",
    "NoAnswer",
    "NoLiveModel",
    "NoServingVersion",
    "NoSuchPath",
    "NotJson",
    "Overloaded",
    "RegistryUnavailable",
    "RequestRefused",
    "RolloutUnavailable",
    "StaleFeatures",
    "StoreCircuitOpen",
    "StoreUnavailable",
    "TooManyUsers",
    "Unauthorized",
    "Unavailable",
    "UnknownCategory",
    "UnknownUser",
    "UnsupportedEncoding",
    "ValuesRefused",
    "WrongMethod",
    "reason",
]
