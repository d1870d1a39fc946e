"""Finds and deletes months, and unneeded artifacts and logs."""
