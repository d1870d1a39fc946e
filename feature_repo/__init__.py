"""The definitions of the features for Feast, and nothing else: `feast apply` and `feast ui` work in this folder."""
