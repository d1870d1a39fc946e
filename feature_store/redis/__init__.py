"""Feast's online store in Redis, and its reader."""
