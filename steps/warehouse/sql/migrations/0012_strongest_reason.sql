-- The console's page filters a list by the feature that counts most, and by probability. Both are read from an index, in
-- the list's order: the rows themselves would take seconds.
ALTER TABLE campaigns ADD COLUMN IF NOT EXISTS strongest_reason text COLLATE "C"
    GENERATED ALWAYS AS (nullif(split_part(reasons ->> 0, '=', 1), '')) STORED;

DROP INDEX IF EXISTS campaigns_by_gain;
CREATE INDEX campaigns_by_gain ON campaigns (campaign, role, expected_gain DESC, user_id) INCLUDE (probability);
CREATE INDEX IF NOT EXISTS campaigns_by_reason
    ON campaigns (campaign, role, strongest_reason, expected_gain DESC, user_id) INCLUDE (probability);
