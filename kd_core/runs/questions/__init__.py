"""Runs that answer a question, which are those of a claim, of a lesson, or of a family over several seeds."""
