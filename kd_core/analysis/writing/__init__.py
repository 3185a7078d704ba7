"""Texts that the networks of a run write, and what they say about divergences."""
