-- The console's page reads a part of a list in its order: without this, every page would sort the whole list.
CREATE INDEX IF NOT EXISTS campaigns_by_gain ON campaigns (campaign, role, expected_gain DESC, user_id);
