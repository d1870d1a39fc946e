"""The gateway: reads the features of a user_id from Feast's online store and calls the model server. See app.py."""
