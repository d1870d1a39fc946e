SELECT envelope FROM seals
SELECT number FROM schema_migrations
SELECT month, metric, estimate, verdict FROM monitoring
SELECT model, at, version, run_id FROM serving_history
INSERT INTO serving_history (model, at, reason) VALUES ('a test', now(), 'stop')
SELECT as_of, loaded_at FROM months
SELECT period_start FROM labels
SELECT step, at FROM step_successes
SELECT metric, estimate FROM monitoring
INSERT INTO decisions (kind, outcome, reason, figures, decided_by, inputs_sha256, model) VALUES ('rollback', 'turned_back', 'a test', '{}', 'watcher', 'mine', 'mine') ON CONFLICT DO NOTHING
SELECT kind, version FROM decisions
