-- The rows of erased users in a staged file.
DELETE FROM {staging} AS loaded USING erasure_key AS secret
WHERE sha256(secret.key || sha256(secret.key || convert_to(loaded.user_id, 'UTF8'))) IN (SELECT user_hash FROM erased_users)
