"""Tables that are only appended to: what served, was predicted, found by the monitor, decided; what steps succeeded."""
