"""Between the HTTP server (granian) and the Flask application: whole requests in, a bounded number at once."""
