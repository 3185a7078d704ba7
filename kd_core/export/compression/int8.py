"""Quantisation of ONNX files to int8, and networks in ONNX files that onnxruntime runs on one thread.

Static quantisation stores the scale of every activation, calibrated on training examples; dynamic quantisation of the
linear layers computes it for every input. Jacob et al., "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference" (2018).
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from kd_core.export.compression.onnx_export import quiet
from kd_core.models._pruning import layers

STATIC, DYNAMIC = "static", "dynamic"
NORMALISATION = "InstanceNormalization"  # of which onnxruntime writes an invalid file
CALIBRATION, CALIBRATION_BATCH = 256, 32  # training examples, and how many of them at a time


def quantisations(network: nn.Module) -> tuple[str, ...]:
    """Return the kinds of quantisation that apply to a network; dynamic where all of its layers are linear."""
    is_linear = all(isinstance(layer, nn.Linear) for layer in layers(network))
    return (STATIC, DYNAMIC) if is_linear else (STATIC,)


class OnnxNetwork(nn.Module):
    """Network in an ONNX file as a module from inputs (B, ...) to logits (B, ..., K), on one thread of the CPU."""

    def __init__(self, blob: bytes) -> None:
        import onnxruntime

        super().__init__()
        self.blob = blob
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3  # errors
        self._session = onnxruntime.InferenceSession(blob, options, providers=["CPUExecutionProvider"])

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the logits."""
        (logits,) = self._session.run(None, {"input": inputs.numpy()})
        return torch.from_numpy(logits)


def quantise(blob: bytes, kind: str, calibration: Tensor) -> bytes:
    """Return an ONNX file with weights in int8, one scale per output channel.

    Args:
        blob: The file.
        kind: :data:`STATIC` or :data:`DYNAMIC`.
        calibration: Training inputs (N, ...), which determine the scales of the activations of static quantisation.
    """
    from onnxruntime import quantization
    from onnxruntime.quantization.registry import QDQRegistry, QLinearOpsRegistry
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory() as folder, quiet():
        float32, prepared, quantised = (Path(folder) / f"{name}.onnx" for name in ("float32", "prepared", "int8"))
        float32.write_bytes(blob)
        quant_pre_process(str(float32), str(prepared))
        if kind == STATIC:
            quantization.quantize_static(
                str(prepared), str(quantised), _reader(calibration), per_channel=True,
                quant_format=quantization.QuantFormat.QDQ, activation_type=quantization.QuantType.QUInt8,
                weight_type=quantization.QuantType.QInt8,
                op_types_to_quantize=sorted({*QDQRegistry, *QLinearOpsRegistry} - {NORMALISATION}),
            )  # fmt: skip
        else:
            quantization.quantize_dynamic(
                str(prepared), str(quantised), per_channel=True, weight_type=quantization.QuantType.QInt8,
                op_types_to_quantize=["MatMul", "Gemm"],
            )  # fmt: skip
        return quantised.read_bytes()


def _reader(inputs: Tensor) -> Any:
    """Return the calibration examples as onnxruntime reads them."""
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no type annotations
        def __init__(self) -> None:
            batches = torch.split(inputs[:CALIBRATION], CALIBRATION_BATCH)
            self._batches = iter([{"input": batch.contiguous().numpy()} for batch in batches])

        def get_next(self) -> dict[str, Any] | None:
            return next(self._batches, None)

    return Reader()
