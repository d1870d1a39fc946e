-- Attaching fails if the default partition has rows of the day; the lock keeps new ones out until the day has its own.
LOCK TABLE prediction_log_default IN ACCESS EXCLUSIVE MODE;
CREATE TABLE {partition} (LIKE prediction_log);
WITH moved AS (
    DELETE FROM prediction_log_default WHERE answered_at >= {first} AND answered_at < {end} RETURNING *
)
INSERT INTO {partition} SELECT * FROM moved;
ALTER TABLE prediction_log ATTACH PARTITION {partition} FOR VALUES FROM ({first}) TO ({end});
