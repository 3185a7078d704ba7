"""Examples of a data set for the browser, and inputs that come from it."""
