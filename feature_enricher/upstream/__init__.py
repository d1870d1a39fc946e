"""Clients of the servers behind the gateway: model servers, the watcher that names the live one, MLflow's registry."""
