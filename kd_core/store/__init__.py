"""Stored runs in an SQLite database of configurations and append-only events, and the files beside it."""
