SELECT version, question, action, requested_by, at
FROM decision_requests
WHERE model = %(model)s
ORDER BY id
