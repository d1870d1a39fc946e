-- What the console shows of a campaign without reading each of its users.

-- The users of each role and their expected gain, in steps of a twentieth of its logarithm. Triggers keep it equal to the
-- campaigns: a user who is erased goes out of it, too.
CREATE TABLE IF NOT EXISTS campaign_gains (
    campaign text COLLATE "C"  NOT NULL,
    role     text              NOT NULL,
    place    integer           NOT NULL,
    users    bigint            NOT NULL,
    gain     double precision  NOT NULL,
    PRIMARY KEY (campaign, role, place)
);

CREATE OR REPLACE FUNCTION count_campaign_gains() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO campaign_gains AS before
        SELECT campaign, role, floor(20 * ln(expected_gain)), count(*), sum(expected_gain) FROM changed GROUP BY 1, 2, 3
        ON CONFLICT (campaign, role, place)
        DO UPDATE SET users = before.users + EXCLUDED.users, gain = before.gain + EXCLUDED.gain;
    ELSE
        UPDATE campaign_gains AS before SET users = before.users - gone.users, gain = before.gain - gone.gain
        FROM (SELECT campaign, role, floor(20 * ln(expected_gain)) AS place, count(*) AS users, sum(expected_gain) AS gain
              FROM changed GROUP BY 1, 2, 3) AS gone
        WHERE before.campaign = gone.campaign AND before.role = gone.role AND before.place = gone.place;
        DELETE FROM campaign_gains WHERE users <= 0 AND campaign IN (SELECT campaign FROM changed);
    END IF;
    RETURN NULL;
END$$;

CREATE OR REPLACE TRIGGER campaigns_are_counted AFTER INSERT ON campaigns
REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION count_campaign_gains();
CREATE OR REPLACE TRIGGER removed_campaigns_are_counted AFTER DELETE ON campaigns
REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION count_campaign_gains();

INSERT INTO campaign_gains
SELECT campaign, role, floor(20 * ln(expected_gain)), count(*), sum(expected_gain) FROM campaigns GROUP BY 1, 2, 3;

-- What lists of any length would have been worth, as each run of score measured it.
CREATE TABLE IF NOT EXISTS campaign_profits (
    run_id   text COLLATE "C" PRIMARY KEY, -- of score
    campaign text COLLATE "C" NOT NULL,
    version  text             NOT NULL, -- that scored in this run
    as_of    timestamptz      NOT NULL,
    profit   jsonb, -- users, left, share, at_share, …, curve; null: too few labelled users that the version was not trained on
    made_at  timestamptz      NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS campaign_profits_by_campaign ON campaign_profits (campaign, made_at);

CREATE OR REPLACE TRIGGER campaign_profits_is_append_only
BEFORE UPDATE OR TRUNCATE ON campaign_profits
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
