"""Sweeps and searches, their expected duration and the proposals of a search."""
