"""What can be deleted: months, and artifacts and logs that nothing needs."""
