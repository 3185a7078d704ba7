"""A search on the Sweep page, its form and its results."""
