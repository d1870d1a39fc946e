"""The whole stack on one machine: embedded PostgreSQL, MLflow, model server and gateway."""
