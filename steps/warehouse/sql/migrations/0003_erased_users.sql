-- Users who were erased, by a keyed hash: a later load leaves their rows out. The key keeps a copy of the hashes alone
-- from being compared with a list of users.
CREATE TABLE IF NOT EXISTS erasure_key (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    key      bytea   NOT NULL CHECK (length(key) = 32)
);
INSERT INTO erasure_key (key) VALUES (sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())))
ON CONFLICT DO NOTHING;

CREATE TABLE IF NOT EXISTS erased_users (
    user_hash bytea       PRIMARY KEY,
    erased_at timestamptz NOT NULL DEFAULT now()
);

CREATE OR REPLACE FUNCTION erased_user_hash(user_id text) RETURNS bytea LANGUAGE sql STABLE AS
$$SELECT sha256(key || sha256(key || convert_to(user_id, 'UTF8'))) FROM erasure_key$$;

-- A month's fingerprint before and after an erasure: lineage explains training sets from before it.
CREATE TABLE IF NOT EXISTS erasures (
    id                 bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    as_of              timestamptz NOT NULL,
    erased_at          timestamptz NOT NULL DEFAULT now(),
    fingerprint_before text        NOT NULL,
    fingerprint_after  text        NOT NULL
);
