"""Class mode, in which browsers follow a presenter, answer polls, and train together."""
