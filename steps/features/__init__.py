"""Features by month: joined point in time for training, and put online for serving."""
