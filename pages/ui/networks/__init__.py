"""Pages on the networks of one run, a folder each."""
