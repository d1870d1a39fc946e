"""How fast, and how right when it hurts: load, faults and promotions against a stack of its own.

python -m bench speed|chaos|swap …     (make bench, make chaos, make bench-swap)
"""
