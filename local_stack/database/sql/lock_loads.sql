-- The lock that ingests take (SCHEMA_LOCK of steps/warehouse): while it is held, no month changes.
SELECT pg_advisory_lock(360208)
