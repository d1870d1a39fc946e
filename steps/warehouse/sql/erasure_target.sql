-- Only here the id is in a statement, as a value that PostgreSQL does not log.
INSERT INTO erased_now (user_id, entity_key) VALUES (%s, %s)
