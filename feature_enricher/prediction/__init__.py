"""From a user_id to a prediction: features, their age, batches."""
