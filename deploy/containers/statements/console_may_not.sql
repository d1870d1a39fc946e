SELECT * FROM public.users
SELECT * FROM public.labels
SELECT * FROM public.subscriptions_profile_snapshots
SELECT * FROM feast_online.streamflow_subs_profile_fv
SELECT * FROM feast_registry.feature_services
INSERT INTO seals (model, model_id, envelope) VALUES ('mine', 'mine', 'mine')
DELETE FROM seals
ALTER TABLE seals DISABLE TRIGGER ALL
INSERT INTO monitoring (month, version, metric, slice, n, verdict, reference, reason, as_of, run_id) VALUES (now(), '1', 'AUC', 'all users', 0, 'ok', '', '', now(), 'mine')
UPDATE monitoring SET verdict = 'ok'
DELETE FROM monitoring
UPDATE serving_history SET reason = 'mine'
DELETE FROM serving_history
LOCK TABLE seals IN ROW EXCLUSIVE MODE
LOCK TABLE seals
LOCK TABLE serving_history
LOCK TABLE serving_history IN SHARE MODE
LOCK TABLE public.users IN ACCESS SHARE MODE
SELECT user_id FROM labels
SELECT churn_label FROM labels
INSERT INTO months (as_of, files_sha256) VALUES (now(), 'mine')
INSERT INTO step_successes (step, run_id) VALUES ('mine', 'mine')
UPDATE decisions SET reason = 'mine'
DELETE FROM decisions
TRUNCATE decisions
INSERT INTO decisions (kind, outcome, reason, figures, decided_by, inputs_sha256, model) VALUES ('approval', 'promoted', 'a test', '{}', 'Ann', 'mine', 'mine')
INSERT INTO decisions (kind, outcome, reason, figures, decided_by, inputs_sha256, model) VALUES ('rollback', 'turned_back', 'a test', '{}', 'watcher', 'mine', 'mine')
SELECT envelope FROM seals
INSERT INTO serving_history (model, at, reason) VALUES ('mine', now(), 'mine')
UPDATE churn_scores SET probability = 0
DELETE FROM churn_scores
SELECT * FROM prediction_log
INSERT INTO prediction_log (answered_at, request_id, user_id, code, milliseconds) VALUES (now(), 'mine', 'mine', 'ok', 0)
DELETE FROM campaigns
DELETE FROM campaign_profits
INSERT INTO campaigns (campaign, user_id, role, probability, expected_gain, version, as_of, run_id) VALUES ('mine', 'mine', 'listed', 0, 1, '1', now(), 'mine')
INSERT INTO decision_requests (model, version, question, action, requested_by) VALUES ('mine', '1', 0, 'approve', 'Ann')
INSERT INTO decision_requests (model, version, question, action, requested_by, at) SELECT model, version, id, 'approve', 'Ann', now() FROM decisions
UPDATE decision_requests SET action = 'approve'
DELETE FROM decision_requests
TRUNCATE decision_requests
ALTER TABLE decision_requests DISABLE ROW LEVEL SECURITY
DROP POLICY others_append_answers ON decision_requests
