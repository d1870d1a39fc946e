"""What became of a version's predictions: drift, rules across months, estimated and realised quality, and a verdict."""
