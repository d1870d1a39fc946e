#!/bin/sh
# Run once by PostgreSQL's image on a new volume: MLflow's tables have their own database.
createdb --username "$POSTGRES_USER" "$MLFLOW_DATABASE"
