"""Tables that are only appended to: what served, what was predicted, what the monitor found, which step succeeded."""
