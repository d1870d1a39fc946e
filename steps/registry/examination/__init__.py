"""The gate: whether a version may serve, and by which figures."""
