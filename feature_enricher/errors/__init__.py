"""The ways a request can end badly, each imported from its own module: base, requests, parts.

Each class carries what a client may see of it; api/problems.py writes it down.

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
