"""What the processes of killed.py have loaded before they begin: every step and what it uses, nothing of a test."""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import mlflow.store.model_registry.sqlalchemy_store
    import mlflow.store.tracking.sqlalchemy_store

    import feature_store
    from steps import labels, main, materialize, register, remove_month

    feature_store.import_feast()

__all__ = ["feature_store", "labels", "main", "materialize", "mlflow", "register", "remove_month"]
