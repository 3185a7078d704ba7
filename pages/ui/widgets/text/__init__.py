"""Texts about runs, plans, roles and durations."""
