"""The gateway: takes a user_id, finds its features in Feast and asks the model server. See app.create_app()."""
