-- The lock of ingest (SCHEMA_LOCK in steps/warehouse): no month changes while it is held.
SELECT pg_advisory_lock(360208)
