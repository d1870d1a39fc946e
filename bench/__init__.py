"""Benchmarks: speed, and correctness under load, faults and promotions, on a stack of their own.

python -m bench speed|chaos|swap …     (make bench, make chaos, make bench-swap)
"""
