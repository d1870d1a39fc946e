"""Shared by all programs: how settings are read, and names that more than one of them uses.

It imports nothing else of the project, so every package may import it. The settings themselves are in settings.py
of steps, feature_store, feature_enricher and rollout, and in local_stack/environment/variables.py.
"""
