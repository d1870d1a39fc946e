SELECT kind, outcome, as_of, version, reason, figures, decided_by, inputs_sha256, id, at
FROM decisions
WHERE model = %(model)s AND (%(as_of)s::date IS NULL OR as_of = %(as_of)s)
ORDER BY id
