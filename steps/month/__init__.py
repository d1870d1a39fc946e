"""The CSV files of one month: their schema, the checks on them, and their identity."""
