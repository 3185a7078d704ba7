"""Widgets, charts, tables and partial reruns shared by all pages."""
