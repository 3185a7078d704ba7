"""Options, events, metrics, random streams, devices, paths and errors, without dependencies of their own."""
