"""Writes the state of a stack to one file, and restores it."""
