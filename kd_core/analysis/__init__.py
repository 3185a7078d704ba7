"""Analysis of stored runs."""
