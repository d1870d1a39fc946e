"""Clients that put a load on a gateway, and what they met."""
