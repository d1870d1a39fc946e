"""Seals: signed statements of what a model consists of and what the gate decided about it.

files.py has the digests of a folder, statement.py the statement and its signature, keys.py the key pair. The steps sign
with the private key; the watcher verifies with the public key and cannot sign. Imports nothing of the project except
configuration.
"""
