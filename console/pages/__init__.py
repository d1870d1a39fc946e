"""One blueprint a page: it collects what a template shows."""
