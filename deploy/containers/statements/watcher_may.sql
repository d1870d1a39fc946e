SELECT envelope FROM seals
SELECT number FROM schema_migrations
INSERT INTO serving_history (model, at, reason) VALUES ('a test', now(), 'stop')
