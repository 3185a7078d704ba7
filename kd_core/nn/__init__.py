"""Hooks, student-teacher pairs, adapters, composite networks, cost and weights of networks."""
