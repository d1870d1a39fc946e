-- The warehouse as the third release made it, its schema as it was then, with two months of three users.
-- The warehouse. Idempotent: run at every ingest. Row rules are constraints, so that nothing but a correct row can exist.
-- That every row has its month and its user is checked once a load, set against set: a foreign key asks row by row, and
-- took longer than all the rest.
CREATE SCHEMA IF NOT EXISTS feast_online;
CREATE SCHEMA IF NOT EXISTS feast_registry;
CREATE SCHEMA IF NOT EXISTS staging;

CREATE TABLE IF NOT EXISTS months (
    as_of        timestamptz PRIMARY KEY,
    files_sha256 text        NOT NULL,
    loaded_at    timestamptz NOT NULL DEFAULT now()
);

-- Where a month came from. Warehouses from before version 0.3 do not know: their months count as a company's own.
ALTER TABLE months ADD COLUMN IF NOT EXISTS origin text NOT NULL DEFAULT 'files' CHECK (origin IN ('files', 'sample'));

CREATE TABLE IF NOT EXISTS users (
    user_id        text COLLATE "C" PRIMARY KEY CHECK (user_id <> ''), -- byte order: sorting a million takes a fifth
    signup_date    date    NOT NULL,
    user_gender    text    NOT NULL,
    user_is_senior boolean NOT NULL,
    has_family     boolean NOT NULL,
    has_dependents boolean NOT NULL,
    as_of          timestamptz NOT NULL -- the newest month these values come from
);

CREATE TABLE IF NOT EXISTS subscriptions_profile_snapshots (
    user_id            text             COLLATE "C" NOT NULL,
    as_of              timestamptz      NOT NULL,
    months_active      integer          NOT NULL CHECK (months_active >= 0),
    plan_stream_tv     boolean          NOT NULL,
    plan_stream_movies boolean          NOT NULL,
    contract_type      text             NOT NULL,
    paperless_billing  boolean          NOT NULL,
    monthly_fee        double precision NOT NULL CHECK (monthly_fee >= 0),
    total_paid         double precision NOT NULL CHECK (total_paid >= 0),
    net_service        text             NOT NULL,
    created_at         timestamptz      NOT NULL CHECK (created_at >= as_of),
    PRIMARY KEY (as_of, user_id)
);

CREATE TABLE IF NOT EXISTS usage_agg_30d_snapshots (
    user_id             text             COLLATE "C" NOT NULL,
    as_of               timestamptz      NOT NULL,
    watch_hours_30d     double precision NOT NULL CHECK (watch_hours_30d >= 0),
    avg_session_mins_7d double precision NOT NULL CHECK (avg_session_mins_7d >= 0),
    unique_devices_30d  integer          NOT NULL CHECK (unique_devices_30d >= 0),
    skips_7d            integer          NOT NULL CHECK (skips_7d >= 0),
    rebuffer_events_7d  integer          NOT NULL CHECK (rebuffer_events_7d >= 0),
    created_at          timestamptz      NOT NULL CHECK (created_at >= as_of),
    PRIMARY KEY (as_of, user_id)
);

CREATE TABLE IF NOT EXISTS payments_agg_90d_snapshots (
    user_id             text        COLLATE "C" NOT NULL,
    as_of               timestamptz NOT NULL,
    failed_payments_90d integer     NOT NULL CHECK (failed_payments_90d >= 0),
    created_at          timestamptz NOT NULL CHECK (created_at >= as_of),
    PRIMARY KEY (as_of, user_id)
);

CREATE TABLE IF NOT EXISTS support_agg_90d_snapshots (
    user_id                       text             COLLATE "C" NOT NULL,
    as_of                         timestamptz      NOT NULL,
    support_tickets_90d           integer          NOT NULL CHECK (support_tickets_90d >= 0),
    ticket_avg_resolution_hrs_90d double precision NOT NULL CHECK (ticket_avg_resolution_hrs_90d >= 0),
    created_at                    timestamptz      NOT NULL CHECK (created_at >= as_of),
    PRIMARY KEY (as_of, user_id)
);

-- Warehouses from before version 0.2 have no created_at, and foreign keys that ask row by row.
DO $upgrade$
DECLARE
    snapshots text;
BEGIN
    FOREACH snapshots IN ARRAY ARRAY['subscriptions_profile_snapshots', 'usage_agg_30d_snapshots',
                                     'payments_agg_90d_snapshots', 'support_agg_90d_snapshots'] LOOP
        CONTINUE WHEN EXISTS (SELECT FROM pg_attribute WHERE attrelid = snapshots::regclass AND attname = 'created_at');
        EXECUTE format('ALTER TABLE %1$I ADD COLUMN created_at timestamptz CHECK (created_at >= as_of)', snapshots);
        EXECUTE format('UPDATE %1$I SET created_at = as_of', snapshots);
        EXECUTE format('ALTER TABLE %1$I ALTER COLUMN created_at SET NOT NULL,
                        DROP CONSTRAINT IF EXISTS %2$I, DROP CONSTRAINT IF EXISTS %3$I',
                       snapshots, snapshots || '_user_id_fkey', snapshots || '_as_of_fkey');
    END LOOP;
    ALTER TABLE users DROP CONSTRAINT IF EXISTS users_as_of_fkey;
END
$upgrade$;

-- What a snapshot said before a correction that became known later: still what was known until then.
CREATE TABLE IF NOT EXISTS subscriptions_profile_superseded
(LIKE subscriptions_profile_snapshots INCLUDING CONSTRAINTS, PRIMARY KEY (as_of, user_id, created_at));
CREATE TABLE IF NOT EXISTS usage_agg_30d_superseded
(LIKE usage_agg_30d_snapshots INCLUDING CONSTRAINTS, PRIMARY KEY (as_of, user_id, created_at));
CREATE TABLE IF NOT EXISTS payments_agg_90d_superseded
(LIKE payments_agg_90d_snapshots INCLUDING CONSTRAINTS, PRIMARY KEY (as_of, user_id, created_at));
CREATE TABLE IF NOT EXISTS support_agg_90d_superseded
(LIKE support_agg_90d_snapshots INCLUDING CONSTRAINTS, PRIMARY KEY (as_of, user_id, created_at));

-- Every version of every row, with the moment at which it became known: what training sets are made from.
CREATE OR REPLACE VIEW subscriptions_profile_versions AS
SELECT * FROM subscriptions_profile_snapshots UNION ALL SELECT * FROM subscriptions_profile_superseded;
CREATE OR REPLACE VIEW usage_agg_30d_versions AS
SELECT * FROM usage_agg_30d_snapshots UNION ALL SELECT * FROM usage_agg_30d_superseded;
CREATE OR REPLACE VIEW payments_agg_90d_versions AS
SELECT * FROM payments_agg_90d_snapshots UNION ALL SELECT * FROM payments_agg_90d_superseded;
CREATE OR REPLACE VIEW support_agg_90d_versions AS
SELECT * FROM support_agg_90d_snapshots UNION ALL SELECT * FROM support_agg_90d_superseded;

-- The Parquet file of each snapshot, written with it: a file that is another one is refused.
CREATE TABLE IF NOT EXISTS lake_files (
    table_name text        NOT NULL,
    as_of      timestamptz NOT NULL,
    rows       bigint      NOT NULL,
    sha256     text        NOT NULL,
    PRIMARY KEY (table_name, as_of)
);

-- A label belongs to the month it was loaded for: loading February never touches January's. late: it came with a load of
-- labels alone, which the month's own files neither correct nor withdraw.
CREATE TABLE IF NOT EXISTS labels (
    user_id      text    COLLATE "C" NOT NULL,
    period_start date    NOT NULL,
    churn_label  boolean NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT '-infinity', -- the moment from which it is known; without one: always
    late         boolean     NOT NULL DEFAULT false,
    PRIMARY KEY (period_start, user_id)
);

ALTER TABLE labels DROP CONSTRAINT IF EXISTS labels_user_id_fkey;

-- Warehouses from before labels had a moment of knowledge.
DO $upgrade$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'labels'::regclass AND attname = 'created_at') THEN
        ALTER TABLE labels ADD COLUMN created_at timestamptz NOT NULL DEFAULT '-infinity',
                           ADD COLUMN late boolean NOT NULL DEFAULT false;
        UPDATE labels SET created_at = period_start::timestamp AT TIME ZONE 'UTC';
    END IF;
END
$upgrade$;

-- What was said of a label and does not count now: until superseded_at where the same kind of load said something else
-- from then on; without one where it still holds, and another kind of load, known later, counts instead.
CREATE TABLE IF NOT EXISTS labels_superseded (
    user_id       text    COLLATE "C" NOT NULL,
    period_start  date    NOT NULL,
    churn_label   boolean NOT NULL,
    created_at    timestamptz NOT NULL,
    late          boolean     NOT NULL,
    superseded_at timestamptz,
    PRIMARY KEY (period_start, user_id, created_at, late)
);

CREATE OR REPLACE VIEW labels_versions AS
SELECT user_id, period_start, churn_label, created_at, late, NULL::timestamptz AS superseded_at FROM labels
UNION ALL
SELECT user_id, period_start, churn_label, created_at, late, superseded_at FROM labels_superseded;

-- The files that a month's labels came from: the sha256 of the month's files, or that of a file of labels alone.
CREATE TABLE IF NOT EXISTS label_files (
    as_of     timestamptz NOT NULL,
    sha256    text        NOT NULL,
    known_at  timestamptz NOT NULL,
    late      boolean     NOT NULL,
    loaded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (as_of, sha256, known_at)
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

-- What the versions of the model said of the users of a month: one row a user and version, replaced when scored again.
CREATE TABLE IF NOT EXISTS churn_scores (
    user_id       text COLLATE "C" NOT NULL,
    as_of         timestamptz      NOT NULL,
    probability   double precision NOT NULL CHECK (probability BETWEEN 0 AND 1),
    prediction    smallint         NOT NULL CHECK (prediction IN (0, 1)),
    model_version text             NOT NULL,
    scored_at     timestamptz      NOT NULL,
    PRIMARY KEY (as_of, model_version, user_id)
);

INSERT INTO months (as_of, files_sha256) VALUES
    ('2024-01-31Z', 'sha256 of January'), ('2024-02-29Z', 'sha256 of February');

INSERT INTO users (user_id, signup_date, user_gender, user_is_senior, has_family, has_dependents, as_of) VALUES
    ('anna', '2022-02-05', 'Female', 'False', 'True', 'True', '2024-02-29Z'),
    ('ben', '2022-01-03', 'Male', 'True', 'False', 'False', '2024-02-29Z'),
    ('cara', '2021-12-31', 'Female', 'False', 'True', 'True', '2024-01-31Z'),
    ('dora', '2021-12-31', 'Female', 'False', 'True', 'True', '2024-02-29Z');

INSERT INTO subscriptions_profile_snapshots (user_id, months_active, plan_stream_tv, plan_stream_movies, contract_type, paperless_billing, monthly_fee, total_paid, net_service, as_of, created_at) VALUES
    ('anna', 24, 'True', 'False', 'Month-to-month', 'True', 98.7, 2368.8, 'Fiber optic', '2024-01-31Z', '2024-01-31Z'),
    ('ben', 25, 'False', 'False', 'Two year', 'False', 19.95, 498.75, 'No', '2024-01-31Z', '2024-01-31Z'),
    ('cara', 26, 'False', 'True', 'One year', 'True', 56.95, 1480.7, 'DSL', '2024-01-31Z', '2024-01-31Z'),
    ('anna', 24, 'True', 'False', 'Month-to-month', 'True', 99.9, 2368.8, 'Fiber optic', '2024-02-29Z', '2024-02-29Z'),
    ('ben', 25, 'False', 'False', 'Two year', 'False', 19.95, 498.75, 'No', '2024-02-29Z', '2024-02-29Z'),
    ('dora', 26, 'False', 'True', 'One year', 'True', 56.95, 1480.7, 'DSL', '2024-02-29Z', '2024-02-29Z');

INSERT INTO usage_agg_30d_snapshots (user_id, watch_hours_30d, avg_session_mins_7d, unique_devices_30d, skips_7d, rebuffer_events_7d, as_of, created_at) VALUES
    ('anna', 47.48961235, 29.14104464084511, 3, 8, 2, '2024-01-31Z', '2024-01-31Z'),
    ('ben', 12.5, 29.14104464084511, 1, 0, 0, '2024-01-31Z', '2024-01-31Z'),
    ('cara', 30.03622768754235, 29.14104464084511, 2, 4, 1, '2024-01-31Z', '2024-01-31Z'),
    ('anna', 47.48961235, 29.14104464084511, 3, 8, 2, '2024-02-29Z', '2024-02-29Z'),
    ('ben', 12.5, 29.14104464084511, 1, 0, 0, '2024-02-29Z', '2024-02-29Z'),
    ('dora', 30.03622768754235, 29.14104464084511, 2, 4, 1, '2024-02-29Z', '2024-02-29Z');

INSERT INTO payments_agg_90d_snapshots (user_id, failed_payments_90d, as_of, created_at) VALUES
    ('anna', 1, '2024-01-31Z', '2024-01-31Z'),
    ('ben', 0, '2024-01-31Z', '2024-01-31Z'),
    ('cara', 0, '2024-01-31Z', '2024-01-31Z'),
    ('anna', 1, '2024-02-29Z', '2024-02-29Z'),
    ('ben', 0, '2024-02-29Z', '2024-02-29Z'),
    ('dora', 0, '2024-02-29Z', '2024-02-29Z');

INSERT INTO support_agg_90d_snapshots (user_id, support_tickets_90d, ticket_avg_resolution_hrs_90d, as_of, created_at) VALUES
    ('anna', 0, 13.6, '2024-01-31Z', '2024-01-31Z'),
    ('ben', 2, 8.6, '2024-01-31Z', '2024-01-31Z'),
    ('cara', 1, 24.9, '2024-01-31Z', '2024-01-31Z'),
    ('anna', 0, 13.6, '2024-02-29Z', '2024-02-29Z'),
    ('ben', 2, 8.6, '2024-02-29Z', '2024-02-29Z'),
    ('dora', 1, 24.9, '2024-02-29Z', '2024-02-29Z');

INSERT INTO labels (user_id, period_start, churn_label, created_at) VALUES
    ('anna', '2024-01-31', 'True', '2024-01-31Z'),
    ('ben', '2024-01-31', 'False', '2024-01-31Z'),
    ('cara', '2024-01-31', 'False', '2024-01-31Z'),
    ('anna', '2024-02-29', 'False', '2024-02-29Z'),
    ('ben', '2024-02-29', 'False', '2024-02-29Z'),
    ('dora', '2024-02-29', 'False', '2024-02-29Z');

INSERT INTO serving_history (model, at, version, run_id, dataset_sha256, from_version, reason) VALUES
    ('streamflow_churn', '2024-02-01 08:00Z', '1', 'run-1', 'sha-1', NULL, 'first'),
    ('streamflow_churn', '2024-03-01 08:00Z', '2', 'run-2', 'sha-2', '1', 'promotion');

INSERT INTO churn_scores (user_id, as_of, probability, prediction, model_version, scored_at) VALUES
    ('anna', '2024-01-31Z', 0.75, 1, '1', '2024-02-01 09:00Z'),
    ('ben', '2024-01-31Z', 0.125, 0, '1', '2024-02-01 09:00Z');
