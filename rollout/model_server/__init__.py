"""One `mlflow models serve`: launched, smoke-tested, monitored, drained."""
