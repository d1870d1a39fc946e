"""MLflow's server, which refuses pages of other origins, and asks for a login with MLFLOW_AUTH=basic.

`python -m tracking_server OPTIONS` is `mlflow server OPTIONS` with the app of app.py, which MLflow finds by its entry
point in the folder plugin.
"""
