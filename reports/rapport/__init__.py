"""The report of the work, in French: template.md names the commands and pictures, a real run fills it."""
