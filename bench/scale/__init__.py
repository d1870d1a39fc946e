"""Months of growing size, from thousands of users to a million: python -m bench.scale."""
