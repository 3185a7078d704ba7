"""Background runs, which connect training with the store."""
