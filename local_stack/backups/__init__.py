"""The state of a stack in one file, and put back."""
