"""The servers behind the gateway: the model servers, the watcher that names the live one, MLflow's registry."""
