"""Commands of the terminal, imported when they are called."""
