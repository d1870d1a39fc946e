"""Datasets, pipelines and the model as it is logged and served."""
