-- without the names of the key's columns: they would need the right to read
INSERT INTO decisions (model, kind, outcome, as_of, version, reason, figures, decided_by, inputs_sha256)
VALUES (%(model)s, %(kind)s, %(outcome)s, %(as_of)s, %(version)s, %(reason)s, %(figures)s, %(decided_by)s,
        %(inputs_sha256)s)
ON CONFLICT DO NOTHING
