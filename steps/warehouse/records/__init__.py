"""Tables that are only appended to: what served, was predicted, found, decided or listed, and what steps succeeded."""
