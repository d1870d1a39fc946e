-- The few users above a high probability are found without reading a campaign's whole list.
CREATE INDEX IF NOT EXISTS campaigns_by_probability ON campaigns (campaign, role, probability);
