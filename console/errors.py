"""The console's own errors."""


class InvalidSetting(Exception):
    """One line per invalid setting."""
