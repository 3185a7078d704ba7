"""Shared by the pages: controls, live view, verdicts and the browser components."""
