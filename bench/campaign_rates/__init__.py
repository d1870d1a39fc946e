"""How often the interval of a campaign's effect covers the truth, and what the call list is worth against top-N."""
