"""Navigation, permissions, quotas, settings in the URL and error messages of the app."""
