"""Names and numbers that more than one program uses, each defined only here."""

MODEL_NAME = "streamflow_churn"
PRODUCTION = "Production"
EXPERIMENT = "streamflow"

# tags of runs and versions that more than one program reads
RUN_ID_TAG = "run_id"
FEATURE_SERVICE_TAG = "feature_service"
DATASET_RUN_TAG = "dataset_run_id"
DATASET_SHA256_TAG = "dataset_sha256"
EXAMPLE_PROBABILITY_TAG = "example_probability"
STEP_TAG = "streamflow.step"
EXIT_CODE_TAG = "streamflow.exit_code"  # of a step that is neither done nor failed

# exit codes of the month and of catch_up, beside 0 (done) and 1 (a fault)
WAITS, STOPPED = 2, 3  # for a person; by a rule

# of models logged before the threshold was a parameter of train
FORMER_THRESHOLD = 0.5

# schemas of the database: Feast's tables of online values, and its registry
ONLINE_SCHEMA = "feast_online"
REGISTRY_SCHEMA = "feast_registry"

LOOPBACK = "127.0.0.1"
POSTGRES_PORT = 5432
MLFLOW_PORT = 5000
WATCHER_PORT = 5001
GATEWAY_PORT = 8000
CONSOLE_PORT = 8080
