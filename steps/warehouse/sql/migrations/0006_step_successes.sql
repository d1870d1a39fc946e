-- When a step ended without an error: the run in MLflow has the details. The watcher shows the newest of each step.
CREATE TABLE IF NOT EXISTS step_successes (
    id     bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    step   text        NOT NULL CHECK (step <> ''),
    run_id text        NOT NULL,
    at     timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX IF NOT EXISTS step_successes_by_step ON step_successes (step, at);

CREATE OR REPLACE TRIGGER step_successes_is_append_only
BEFORE UPDATE OR DELETE OR TRUNCATE ON step_successes
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
