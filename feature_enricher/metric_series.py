"""Series that deploy/monitoring counts. They are there at 0 from the start, because Prometheus sees no increase in a
series that begins at 1."""

COUNTED_FROM_ZERO = (
    ("/predict", 200, "ok"), ("/predict", 503, "store_circuit_open"), ("/predict", 503, "model_circuit_open"),
    ("/predict", 503, "store_unavailable"), ("/predict", 503, "model_unavailable"), ("/predict", 503, "no_live_model"),
    ("/predict", 503, "rollout_unavailable"), ("/predict", 503, "deadline_exceeded"), ("/predict", 503, "overloaded"),
    ("/predict", 500, "internal_error"), ("shed", 503, "overloaded"),
)  # fmt: skip

# why rows of the prediction log were lost
LOST_LOG_ROWS = QUEUE_FULL, UNCONFIRMED, REFUSED, STOPPED = "queue_full", "unconfirmed", "refused", "stopped"
