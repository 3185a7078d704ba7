"""Many students at once: runs alike but for seeds and numbers as one stacked network; see :mod:`.stack`."""
