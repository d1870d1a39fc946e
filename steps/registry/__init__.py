"""Versions of the registered model: their origin, the gate, and the version in Production."""
