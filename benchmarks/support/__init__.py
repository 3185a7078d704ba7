"""Measurements, tables and stored runs that several benchmarks share."""
