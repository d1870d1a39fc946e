"""The gateway's errors, each imported from its own module: base, requests, upstream.

Each class holds the part of the error that clients see; api/problems.py writes it.

EnricherError (500)
├── InvalidSetting            at start, never an answer
├── InvalidRequest (422)      fields
│   └── ValuesRefused (409)   of the right type, but not accepted by the live version
├── MissingFeatures (422)     user_id, missing_features
│   └── UnknownUser (404)
├── StaleFeatures (422)       user_id, stale_features
├── UnknownCategory (422)     user_id, unknown_categories
├── Unauthorized (401)
├── TooManyUsers (413)
├── TooManyRequests (429)     retry_after_s, client
├── RequestRefused            refused by HTTP itself: its own status (400, 405, …) and headers
│   ├── ForeignHost (421)
│   ├── NoSuchPath (404)
│   ├── WrongMethod (405)
│   ├── BodyTooLarge (413)
│   ├── NotJson (415)
│   └── UnsupportedEncoding (415)
├── NoAnswer                  a server did not answer in time; always translated, never an answer
└── Unavailable (503)         retry_after_s
    ├── Overloaded            too many requests wait
    ├── DeadlineExceeded
    ├── StoreUnavailable
    │   └── StoreCircuitOpen
    ├── ModelUnavailable
    │   ├── ModelCircuitOpen
    │   ├── ModelRejected     the model server refused the rows
    │   ├── AnotherVersion    the answering version is not the live one; feature_service
    │   └── NoLiveModel       the watcher names no model server at the moment
    └── RolloutUnavailable    the watcher has not answered yet
"""
