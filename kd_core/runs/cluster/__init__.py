"""Runs and sweeps that are cut into parts, each trained by a worker on another machine or device."""
