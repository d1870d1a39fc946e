-- What was decided about the model: for which month and version, by which figures, by which rule or person. inputs_sha256
-- is of what the decision follows from: a step that is run again decides the same again, and that is one row.
CREATE TABLE IF NOT EXISTS decisions (
    id            bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model         text        NOT NULL CHECK (model <> ''),
    kind          text        NOT NULL CHECK (kind IN ('accept', 'stop', 'retrain', 'gate', 'promotion', 'approval',
                                                       'refusal', 'rollback')),
    outcome       text        NOT NULL CHECK (outcome <> ''),
    as_of         date, -- null where it is about no month
    version       text,
    reason        text        NOT NULL CHECK (reason <> ''),
    figures       jsonb       NOT NULL CHECK (jsonb_typeof(figures) = 'object'),
    decided_by    text        NOT NULL CHECK (decided_by <> ''),
    inputs_sha256 text        NOT NULL CHECK (inputs_sha256 <> ''),
    at            timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE NULLS NOT DISTINCT (model, kind, as_of, version, inputs_sha256)
);

CREATE OR REPLACE TRIGGER decisions_is_append_only
BEFORE UPDATE OR DELETE OR TRUNCATE ON decisions
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Roles other than the owner, such as the watcher's, may be given rights: they append nothing in a person's name or in the
-- gate's.
ALTER TABLE decisions ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS decisions_are_read ON decisions;
CREATE POLICY decisions_are_read ON decisions FOR SELECT USING (true);
DROP POLICY IF EXISTS others_append_turning_back ON decisions;
CREATE POLICY others_append_turning_back ON decisions FOR INSERT
WITH CHECK (kind = 'rollback' AND outcome = 'turned_back' AND decided_by = 'watcher');
