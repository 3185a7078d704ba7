"""Detection page, with boxes that the networks of a run find."""
