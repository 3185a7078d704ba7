"""Language page, with texts that the networks of a run write."""
