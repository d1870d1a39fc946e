-- of the version; without one, of its model
SELECT envelope FROM seals
WHERE model = %(model)s
  AND (version = %(version)s AND version_created_ms = %(version_created_ms)s
       OR version IS NULL AND model_id = %(model_id)s)
ORDER BY version IS NULL, id DESC
LIMIT 1
