"""Downloads, archives, checkpoints, uploads and locks: everything that reads and writes files."""
