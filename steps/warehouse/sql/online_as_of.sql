SELECT max(event_ts) FROM feast_online.{table}
