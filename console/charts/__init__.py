"""Pictures as SVG: where things are, as numbers that a template writes. The tables beside them have the figures."""
