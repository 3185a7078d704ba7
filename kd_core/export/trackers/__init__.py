"""Stored runs in the formats of TensorBoard, MLflow, Weights & Biases and Trackio, on this machine alone."""
