"""Lists of files in folders, and what they say about each other."""
