-- What a person asked for on the console's page: to approve or to refuse a version that waits. The step `approve` carries
-- it out. question: the decision by which the version waits; another decision about it closes the request.
CREATE TABLE IF NOT EXISTS decision_requests (
    id           bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model        text        NOT NULL CHECK (model <> ''),
    version      text        NOT NULL CHECK (version <> ''),
    question     bigint      NOT NULL,
    action       text        NOT NULL CHECK (action IN ('approve', 'refuse')),
    -- as in CONSOLE_KEYS, and no name that the steps sign with
    requested_by text        NOT NULL CHECK (requested_by ~ '^[A-Za-z][A-Za-z0-9_.-]{0,31}$'
                                             AND lower(requested_by) NOT IN ('gate', 'watcher')),
    at           timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE OR REPLACE TRIGGER decision_requests_is_append_only
BEFORE UPDATE OR DELETE OR TRUNCATE ON decision_requests
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Roles other than the owner, such as the console's, may be given rights: they append answers to a question that was
-- asked about this version, and nothing else.
ALTER TABLE decision_requests ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS requests_are_read ON decision_requests;
CREATE POLICY requests_are_read ON decision_requests FOR SELECT USING (true);
DROP POLICY IF EXISTS others_append_answers ON decision_requests;
CREATE POLICY others_append_answers ON decision_requests FOR INSERT
WITH CHECK (EXISTS (
    SELECT FROM decisions
    WHERE decisions.id = question AND decisions.model = decision_requests.model
      AND decisions.version = decision_requests.version
      AND decisions.kind = 'promotion' AND decisions.outcome = 'waits'
));
