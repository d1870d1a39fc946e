"""Versions of the registered model: what they come from, how they are judged, who is in Production."""
