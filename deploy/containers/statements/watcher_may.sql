SELECT envelope FROM seals
SELECT number FROM schema_migrations
SELECT month, metric, estimate, verdict FROM monitoring
INSERT INTO serving_history (model, at, reason) VALUES ('a test', now(), 'stop')
