"""The whole month: what its folder brings, what stops it, which steps it needs, and what was decided."""
