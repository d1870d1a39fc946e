"""What the processes of killed.py have loaded before they begin: every step and what it uses, nothing of a test."""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import mlflow.store.model_registry.sqlalchemy_store
    import mlflow.store.tracking.sqlalchemy_store

    from feature_store.plain_feast import import_feast
    from steps import erase_user, labels, main, materialize, register, remove_month

    import_feast()

__all__ = ["erase_user", "labels", "main", "materialize", "mlflow", "register", "remove_month"]
