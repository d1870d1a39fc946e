"""From thousands of users to a million: python -m bench.scale."""
