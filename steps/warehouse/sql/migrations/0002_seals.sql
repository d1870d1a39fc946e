-- Append-only tables name themselves.
CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS
$$BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END$$;

-- Signed statements about models (version is null) and their versions; the newest of a version counts.
CREATE TABLE IF NOT EXISTS seals (
    id                 bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model              text        NOT NULL,
    version            text,
    version_created_ms bigint, -- numbers are reused once a registered model is deleted
    model_id           text, -- of the logged model
    envelope           text        NOT NULL CHECK (envelope <> ''),
    sealed_at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK ((version IS NULL) = (version_created_ms IS NULL)),
    CHECK (version IS NOT NULL OR model_id IS NOT NULL)
);
CREATE INDEX IF NOT EXISTS seals_by_version ON seals (model, version, id);
CREATE INDEX IF NOT EXISTS seals_by_model_id ON seals (model_id, id) WHERE version IS NULL;

CREATE OR REPLACE TRIGGER seals_is_append_only
BEFORE UPDATE OR DELETE OR TRUNCATE ON seals
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
