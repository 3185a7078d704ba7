"""Functions and results of the Python interface, which ``kd_core`` re-exports."""
