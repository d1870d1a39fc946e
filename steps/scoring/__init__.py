"""The users of a month scored in one batch, and the report on them."""
