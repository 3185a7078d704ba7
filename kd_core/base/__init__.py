"""Basic parts without dependencies of their own: options, events, metrics, random streams, devices, paths, errors."""
