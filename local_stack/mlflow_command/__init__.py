"""The manners of the `mlflow` command of the activated shell, one file each; mlflow_launcher.py puts them together."""
