-- In Spark's SQL: entities.sql over the month's Parquet file.
SELECT user_id, event_timestamp FROM parquet.`{path}` WHERE created_at <= event_timestamp
