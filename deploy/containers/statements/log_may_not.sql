SELECT * FROM prediction_log
SELECT user_id FROM prediction_log
SELECT * FROM prediction_log_default
COPY prediction_log TO STDOUT
INSERT INTO prediction_log_default (answered_at, request_id, user_id, code, milliseconds) VALUES (now(), 'a', 'b', 'ok', 1)
INSERT INTO prediction_log (answered_at, request_id, user_id, code, milliseconds) VALUES (now(), 'a', 'b', 'ok', 1) RETURNING user_id
UPDATE prediction_log SET code = 'ok'
DELETE FROM prediction_log
TRUNCATE prediction_log
DROP TABLE prediction_log
DROP TABLE prediction_log_default
ALTER TABLE prediction_log ADD mine int
CREATE TABLE public.mine PARTITION OF prediction_log FOR VALUES FROM ('1998-01-01') TO ('1998-01-02')
CREATE TABLE public.mine (x int)
SELECT * FROM public.users
SELECT * FROM public.labels
SELECT envelope FROM seals
SELECT * FROM feast_online.streamflow_subs_profile_fv
INSERT INTO serving_history (model, at, reason) VALUES ('a test', now(), 'stop')
LOCK TABLE public.users IN ACCESS SHARE MODE
INSERT INTO decisions (kind, outcome, reason, figures, decided_by, inputs_sha256, model) VALUES ('rollback', 'turned_back', 'a test', '{}', 'watcher', 'mine', 'mine')
SELECT * FROM decisions
UPDATE public.decisions SET reason = 'mine'
DELETE FROM public.decisions
TRUNCATE public.decisions
SELECT * FROM campaigns
SELECT * FROM decision_requests
INSERT INTO decision_requests (model, version, question, action, requested_by) VALUES ('mine', '1', 0, 'approve', 'Ann')
SELECT * FROM campaign_gains
SELECT * FROM campaign_profits
