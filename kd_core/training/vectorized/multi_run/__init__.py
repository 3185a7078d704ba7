"""Training of runs that differ in seeds and numbers as one stacked network."""
