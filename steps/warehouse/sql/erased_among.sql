SELECT user_id FROM unnest(%(user_ids)s::text[]) AS candidates (user_id) CROSS JOIN erasure_key AS secret
WHERE sha256(secret.key || sha256(secret.key || convert_to(user_id, 'UTF8'))) IN (SELECT user_hash FROM erased_users)
