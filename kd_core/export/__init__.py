"""Files that leave the data folder."""
