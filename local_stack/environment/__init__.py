"""The variables of the stack's processes."""
