"""Lessons, their list, and the steps of one."""
