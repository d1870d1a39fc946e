"""What is measured: a stack of its own, systems to compare with, and faults."""
