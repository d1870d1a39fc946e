"""Feast's stores in PostgreSQL, and the reader of the online one."""
