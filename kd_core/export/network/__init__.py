"""Weights, ONNX, ``torch.export`` program and model card of one network, and a ZIP with all of them."""
