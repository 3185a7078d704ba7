"""Files that are read and written, such as downloads, archives, checkpoints, uploads and locks."""
