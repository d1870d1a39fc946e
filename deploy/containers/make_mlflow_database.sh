#!/bin/sh
# Run once, by PostgreSQL's image, when its volume is new: MLflow's tables live in a database of their own.
createdb --username "$POSTGRES_USER" "$MLFLOW_DATABASE"
