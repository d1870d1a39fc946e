"""The additions to the `mlflow` command in the activated shell, one file each; launcher.py combines them."""
