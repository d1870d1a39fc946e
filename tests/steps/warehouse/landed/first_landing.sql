-- The warehouse as the first release made it, its schema as it was then, with two months of three users.
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

INSERT INTO months (as_of, files_sha256) VALUES
    ('2024-01-31Z', 'sha256 of January'), ('2024-02-29Z', 'sha256 of February');

INSERT INTO users (user_id, signup_date, user_gender, user_is_senior, has_family, has_dependents, as_of) VALUES
    ('anna', '2022-02-05', 'Female', 'False', 'True', 'True', '2024-02-29Z'),
    ('ben', '2022-01-03', 'Male', 'True', 'False', 'False', '2024-02-29Z'),
    ('cara', '2021-12-31', 'Female', 'False', 'True', 'True', '2024-01-31Z'),
    ('dora', '2021-12-31', 'Female', 'False', 'True', 'True', '2024-02-29Z');

INSERT INTO subscriptions_profile_snapshots (user_id, months_active, plan_stream_tv, plan_stream_movies, contract_type, paperless_billing, monthly_fee, total_paid, net_service, as_of) VALUES
    ('anna', 24, 'True', 'False', 'Month-to-month', 'True', 98.7, 2368.8, 'Fiber optic', '2024-01-31Z'),
    ('ben', 25, 'False', 'False', 'Two year', 'False', 19.95, 498.75, 'No', '2024-01-31Z'),
    ('cara', 26, 'False', 'True', 'One year', 'True', 56.95, 1480.7, 'DSL', '2024-01-31Z'),
    ('anna', 24, 'True', 'False', 'Month-to-month', 'True', 99.9, 2368.8, 'Fiber optic', '2024-02-29Z'),
    ('ben', 25, 'False', 'False', 'Two year', 'False', 19.95, 498.75, 'No', '2024-02-29Z'),
    ('dora', 26, 'False', 'True', 'One year', 'True', 56.95, 1480.7, 'DSL', '2024-02-29Z');

INSERT INTO usage_agg_30d_snapshots (user_id, watch_hours_30d, avg_session_mins_7d, unique_devices_30d, skips_7d, rebuffer_events_7d, as_of) VALUES
    ('anna', 47.48961235, 29.14104464084511, 3, 8, 2, '2024-01-31Z'),
    ('ben', 12.5, 29.14104464084511, 1, 0, 0, '2024-01-31Z'),
    ('cara', 30.03622768754235, 29.14104464084511, 2, 4, 1, '2024-01-31Z'),
    ('anna', 47.48961235, 29.14104464084511, 3, 8, 2, '2024-02-29Z'),
    ('ben', 12.5, 29.14104464084511, 1, 0, 0, '2024-02-29Z'),
    ('dora', 30.03622768754235, 29.14104464084511, 2, 4, 1, '2024-02-29Z');

INSERT INTO payments_agg_90d_snapshots (user_id, failed_payments_90d, as_of) VALUES
    ('anna', 1, '2024-01-31Z'),
    ('ben', 0, '2024-01-31Z'),
    ('cara', 0, '2024-01-31Z'),
    ('anna', 1, '2024-02-29Z'),
    ('ben', 0, '2024-02-29Z'),
    ('dora', 0, '2024-02-29Z');

INSERT INTO support_agg_90d_snapshots (user_id, support_tickets_90d, ticket_avg_resolution_hrs_90d, as_of) VALUES
    ('anna', 0, 13.6, '2024-01-31Z'),
    ('ben', 2, 8.6, '2024-01-31Z'),
    ('cara', 1, 24.9, '2024-01-31Z'),
    ('anna', 0, 13.6, '2024-02-29Z'),
    ('ben', 2, 8.6, '2024-02-29Z'),
    ('dora', 1, 24.9, '2024-02-29Z');

INSERT INTO labels (user_id, period_start, churn_label) VALUES
    ('anna', '2024-01-31', 'True'),
    ('ben', '2024-01-31', 'False'),
    ('cara', '2024-01-31', 'False'),
    ('anna', '2024-02-29', 'False'),
    ('ben', '2024-02-29', 'False'),
    ('dora', '2024-02-29', 'False');
