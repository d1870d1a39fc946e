-- The warehouse. Idempotent: run at every ingest. Row rules are constraints, so that nothing but a correct row can exist.
CREATE SCHEMA IF NOT EXISTS feast_online;
CREATE SCHEMA IF NOT EXISTS feast_registry;

CREATE TABLE IF NOT EXISTS months (
    as_of        timestamptz PRIMARY KEY,
    files_sha256 text        NOT NULL,
    loaded_at    timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS users (
    user_id        text PRIMARY KEY CHECK (user_id <> ''),
    signup_date    date    NOT NULL,
    user_gender    text    NOT NULL,
    user_is_senior boolean NOT NULL,
    has_family     boolean NOT NULL,
    has_dependents boolean NOT NULL,
    as_of          timestamptz NOT NULL REFERENCES months -- the newest month these values come from
);

CREATE TABLE IF NOT EXISTS subscriptions_profile_snapshots (
    user_id            text             NOT NULL REFERENCES users,
    as_of              timestamptz      NOT NULL REFERENCES months,
    months_active      integer          NOT NULL CHECK (months_active >= 0),
    plan_stream_tv     boolean          NOT NULL,
    plan_stream_movies boolean          NOT NULL,
    contract_type      text             NOT NULL,
    paperless_billing  boolean          NOT NULL,
    monthly_fee        double precision NOT NULL CHECK (monthly_fee >= 0),
    total_paid         double precision NOT NULL CHECK (total_paid >= 0),
    net_service        text             NOT NULL,
    PRIMARY KEY (as_of, user_id)
);

CREATE TABLE IF NOT EXISTS usage_agg_30d_snapshots (
    user_id             text             NOT NULL REFERENCES users,
    as_of               timestamptz      NOT NULL REFERENCES months,
    watch_hours_30d     double precision NOT NULL CHECK (watch_hours_30d >= 0),
    avg_session_mins_7d double precision NOT NULL CHECK (avg_session_mins_7d >= 0),
    unique_devices_30d  integer          NOT NULL CHECK (unique_devices_30d >= 0),
    skips_7d            integer          NOT NULL CHECK (skips_7d >= 0),
    rebuffer_events_7d  integer          NOT NULL CHECK (rebuffer_events_7d >= 0),
    PRIMARY KEY (as_of, user_id)
);

CREATE TABLE IF NOT EXISTS payments_agg_90d_snapshots (
    user_id             text        NOT NULL REFERENCES users,
    as_of               timestamptz NOT NULL REFERENCES months,
    failed_payments_90d integer     NOT NULL CHECK (failed_payments_90d >= 0),
    PRIMARY KEY (as_of, user_id)
);

CREATE TABLE IF NOT EXISTS support_agg_90d_snapshots (
    user_id                       text             NOT NULL REFERENCES users,
    as_of                         timestamptz      NOT NULL REFERENCES months,
    support_tickets_90d           integer          NOT NULL CHECK (support_tickets_90d >= 0),
    ticket_avg_resolution_hrs_90d double precision NOT NULL CHECK (ticket_avg_resolution_hrs_90d >= 0),
    PRIMARY KEY (as_of, user_id)
);

-- A label belongs to the month it was loaded with: loading February never touches January's.
CREATE TABLE IF NOT EXISTS labels (
    user_id      text    NOT NULL REFERENCES users,
    period_start date    NOT NULL,
    churn_label  boolean NOT NULL,
    PRIMARY KEY (period_start, user_id)
);

-- What holds now is the newest month's snapshot; as views, current and dated values cannot disagree.
CREATE OR REPLACE VIEW subscriptions AS
SELECT * FROM subscriptions_profile_snapshots WHERE as_of = (SELECT max(as_of) FROM months);
CREATE OR REPLACE VIEW usage_agg_30d AS
SELECT * FROM usage_agg_30d_snapshots WHERE as_of = (SELECT max(as_of) FROM months);
CREATE OR REPLACE VIEW payments_agg_90d AS
SELECT * FROM payments_agg_90d_snapshots WHERE as_of = (SELECT max(as_of) FROM months);
CREATE OR REPLACE VIEW support_agg_90d AS
SELECT * FROM support_agg_90d_snapshots WHERE as_of = (SELECT max(as_of) FROM months);

-- Who served when. Each row holds until the next; version is null where nothing served from then on.
CREATE TABLE IF NOT EXISTS serving_history (
    id             bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model          text        NOT NULL,
    at             timestamptz NOT NULL,
    version        text,
    run_id         text,
    dataset_sha256 text,
    from_version   text,
    reason         text        NOT NULL CHECK (reason <> '')
);

CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS
$$BEGIN RAISE EXCEPTION 'serving_history is append-only'; END$$;

CREATE OR REPLACE TRIGGER serving_history_is_append_only
BEFORE UPDATE OR DELETE OR TRUNCATE ON serving_history
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
