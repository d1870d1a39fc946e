-- What is online is the newest snapshot and nothing else: no older month's rows, no users that are gone from it.
DELETE FROM feast_online.{table} AS online
WHERE online.event_ts < %(event_ts)s
   OR NOT EXISTS (SELECT FROM present_keys WHERE present_keys.entity_key = online.entity_key)
