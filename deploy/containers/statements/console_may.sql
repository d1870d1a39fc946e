SELECT as_of, loaded_at, origin FROM months
SELECT user_id, probability FROM churn_scores
SELECT metric, estimate, verdict, reason, run_id FROM monitoring
SELECT kind, version, reason FROM decisions
SELECT version, at, reason FROM serving_history
SELECT campaign, user_id, expected_gain FROM campaigns
SELECT campaign, version, profit FROM campaign_profits
SELECT campaign, role, users, gain FROM campaign_gains
