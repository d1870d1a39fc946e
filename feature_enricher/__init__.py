"""The gateway: takes a user_id, finds its features in Feast and asks the model server. See create_app()."""

from feature_enricher.app import create_app

__all__ = ["create_app"]
