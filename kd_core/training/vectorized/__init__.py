"""Training of several replicas of one network at once, and compiled steps."""
