-- the console's role reads unless a transaction says otherwise
SET TRANSACTION READ WRITE;
INSERT INTO decision_requests (model, version, question, action, requested_by)
VALUES (%(model)s, %(version)s, %(question)s, %(action)s, %(requested_by)s)
