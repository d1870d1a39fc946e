"""Steps as MLflow runs."""
