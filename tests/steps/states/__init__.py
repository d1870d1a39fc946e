"""States that tests start from, and ways to look at them."""
