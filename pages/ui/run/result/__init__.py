"""Result of a finished run and what can be done with it."""
