SELECT as_of, loaded_at, origin FROM months
SELECT user_id, probability FROM churn_scores
SELECT metric, estimate, verdict, reason, run_id FROM monitoring
SELECT kind, version, reason FROM decisions
SELECT version, at, reason FROM serving_history
SELECT campaign, user_id, expected_gain FROM campaigns
SELECT version, question, action, requested_by, at FROM decision_requests
SET TRANSACTION READ WRITE; INSERT INTO decision_requests (model, version, question, action, requested_by) SELECT model, version, id, 'approve', 'Ann' FROM decisions WHERE kind = 'promotion' AND outcome = 'waits'
SELECT campaign, version, profit FROM campaign_profits
SELECT campaign, role, users, gain FROM campaign_gains
