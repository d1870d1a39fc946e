"""Another tracking store for a while, and afterwards none that this process was told of: the environment says where."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import mlflow


@contextmanager
def tracking_store_at(uri: str) -> Iterator[None]:
    """Everything of MLflow in this process, the registry too, is at uri."""
    with mock.patch.dict(os.environ):
        try:
            mlflow.set_tracking_uri(uri)
            mlflow.set_registry_uri(uri)
            yield
        finally:
            mlflow.set_tracking_uri(None)
            mlflow.set_registry_uri(None)
