"""Uses another tracking store for a while; afterwards MLflow reads the address from the environment again."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import mlflow


@contextmanager
def tracking_store_at(uri: str) -> Iterator[None]:
    """Sets this process's MLflow tracking and registry address to `uri` during the block."""
    with mock.patch.dict(os.environ):
        try:
            mlflow.set_tracking_uri(uri)
            mlflow.set_registry_uri(uri)
            yield
        finally:
            mlflow.set_tracking_uri(None)
            mlflow.set_registry_uri(None)
