"""Files of one network: weights, ONNX, ``torch.export`` program, and a ZIP that works without this package."""
