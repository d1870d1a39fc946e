"""Tables that are only appended to."""
