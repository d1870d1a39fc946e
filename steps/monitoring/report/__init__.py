"""How the figures are shown: pictures, a page, a model card, and the tags and rows of a run."""
