"""Benchmarks, each of which is run with ``python -m benchmarks.NAME``."""
