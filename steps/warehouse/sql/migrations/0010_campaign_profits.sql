-- What lists of any length would have been worth, as each run of score measured it: the console shows it beside the list.
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
