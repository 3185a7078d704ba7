"""Parts of the Temperature page."""
