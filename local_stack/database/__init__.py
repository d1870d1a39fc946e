"""The stack's own PostgreSQL."""
