"""Form that sets up a run, with a diagram of its plan and of the matched features."""
