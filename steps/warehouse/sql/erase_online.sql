DELETE FROM {table} WHERE entity_key = (SELECT entity_key FROM erased_now)
