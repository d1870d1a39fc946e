"""Load generators, and the recording of their requests and answers."""
