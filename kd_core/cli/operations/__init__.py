"""Commands that operate the app and its data folder."""
