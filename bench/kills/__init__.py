"""Steps killed with SIGKILL at random moments, and what is there afterwards."""
