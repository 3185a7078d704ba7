"""Configuration of a run, and the plan that follows from it."""
