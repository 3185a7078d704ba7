"""Servers, clients and data for tests and benchmarks."""
