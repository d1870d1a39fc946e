"""The choice of the model to train among candidates, by cross-validation on the training part."""
