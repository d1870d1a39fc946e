"""The logged model: what is written, sealed and served."""
