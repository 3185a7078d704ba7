"""Generators of documents and screenshots, and checks of the project."""
