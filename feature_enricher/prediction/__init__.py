"""From a user_id to a prediction: features, freshness, batches."""
