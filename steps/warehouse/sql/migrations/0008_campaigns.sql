-- Whom each campaign lists, and who would be listed but is its control group: what the campaign's effect is measured on.
-- A campaign is made once. made_at tells a list that came before an outcome from one that came after it.
CREATE TABLE IF NOT EXISTS campaigns (
    campaign      text COLLATE "C"  NOT NULL CHECK (campaign <> ''),
    user_id       text COLLATE "C"  NOT NULL,
    role          text              NOT NULL CHECK (role IN ('listed', 'control')),
    probability   double precision  NOT NULL CHECK (probability BETWEEN 0 AND 1),
    expected_gain double precision  NOT NULL CHECK (expected_gain > 0), -- in the currency of monthly_fee
    reasons       jsonb             NOT NULL DEFAULT '[]', -- of the probability, the strongest first, as texts
    version       text              NOT NULL,
    as_of         timestamptz       NOT NULL,
    run_id        text              NOT NULL, -- of score, with the terms
    made_at       timestamptz       NOT NULL DEFAULT now(),
    PRIMARY KEY (campaign, user_id)
);
CREATE INDEX IF NOT EXISTS campaigns_by_month ON campaigns (as_of, campaign);

CREATE OR REPLACE TRIGGER campaigns_is_append_only
BEFORE UPDATE OR TRUNCATE ON campaigns
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- A row only goes with its user, whom erase_user names in a table of its session, or with its month.
CREATE OR REPLACE FUNCTION refuse_removal_from_campaigns() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM months WHERE as_of = OLD.as_of) THEN
        RETURN OLD;
    END IF;
    IF to_regclass('pg_temp.erased_now') IS NOT NULL THEN
        IF EXISTS (SELECT FROM pg_temp.erased_now WHERE user_id = OLD.user_id) THEN
            RETURN OLD;
        END IF;
    END IF;
    RAISE EXCEPTION 'campaigns is append-only';
END$$;

CREATE OR REPLACE TRIGGER campaigns_keep_their_rows
BEFORE DELETE ON campaigns
FOR EACH ROW EXECUTE FUNCTION refuse_removal_from_campaigns();
