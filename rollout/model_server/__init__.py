"""One `mlflow models serve`: launched, tried, watched, drained."""
