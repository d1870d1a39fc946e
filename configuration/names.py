"""Names and numbers that more than one program uses; each stands here and nowhere else."""

MODEL_NAME = "streamflow_churn"
PRODUCTION = "Production"
EXPERIMENT = "streamflow"

# of the database: Feast's tables of online values, and its registry
ONLINE_SCHEMA = "feast_online"
REGISTRY_SCHEMA = "feast_registry"

LOOPBACK = "127.0.0.1"
POSTGRES_PORT = 5432
MLFLOW_PORT = 5000
WATCHER_PORT = 5001
GATEWAY_PORT = 8000
