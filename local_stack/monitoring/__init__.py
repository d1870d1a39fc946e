"""Prometheus beside the stack, with MONITORING=1."""
