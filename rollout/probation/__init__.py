"""After a promotion: the old server waits, gateways report how the new version answers, and the way back."""
