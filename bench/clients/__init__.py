"""Many and slow clients at the gateway: what is tried, and how the report tells of it."""
