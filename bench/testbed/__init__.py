"""The measured stack, the systems compared with it, and injected faults."""
