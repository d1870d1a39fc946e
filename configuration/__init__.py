"""What every program of the project agrees on: how settings are read, and the names that more than one of them uses.

Imports nothing of the project, so that each of its packages may import it. The settings themselves are in settings.py
of steps, feature_store, feature_enricher and rollout, and in local_stack/variables.py.
"""
