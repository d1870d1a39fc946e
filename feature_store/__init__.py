"""How features are stored and read. store.py opens Feast's feature store, readers.py reads online values without Feast.

Modules that steps and the gateway import at their start import Feast inside functions: it takes 1.5 s of processor time
on top of pandas and SQLAlchemy, or 6.5 s if plain_feast.py does not import it first.
"""
