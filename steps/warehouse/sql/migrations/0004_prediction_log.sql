-- One row per user whom the gateway answered, partitioned by day (UTC). The values are of the type json, which keeps the
-- text: jsonb would turn -0.0 into 0.0 and 1e16 into a whole number.
CREATE TABLE IF NOT EXISTS prediction_log (
    answered_at     timestamptz      NOT NULL,
    request_id      text             NOT NULL,
    user_id         text COLLATE "C" NOT NULL,
    code            text             NOT NULL, -- ok, or the error's
    model_name      text,
    model_version   text,                      -- null also for a model that is served from a run
    run_id          text,
    feature_service text,
    as_of           json,                      -- view -> event time of its values
    features        json,                      -- the values used, in the model's order
    overridden      text[],                    -- of these, the ones that came with the request
    prediction      smallint,
    probability     double precision,
    milliseconds    double precision NOT NULL
) PARTITION BY RANGE (answered_at);

-- For rows of a day without a partition: no row is lost because nobody has made one.
CREATE TABLE IF NOT EXISTS prediction_log_default PARTITION OF prediction_log DEFAULT;
