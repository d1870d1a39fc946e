"""Whom to contact: the call list of a month, its control group, what it is worth, and what came of it."""
