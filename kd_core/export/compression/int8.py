"""ONNX files of networks with weights in float32 or int8, run by onnxruntime on one thread.

Static quantisation stores the scale of every activation, calibrated on training examples; dynamic quantisation of the
linear layers computes it for every input. Jacob et al., "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference" (2018).
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import tempfile
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from kd_core.models._pruning import layers

STATIC, DYNAMIC = "static", "dynamic"
CALIBRATION, CALIBRATION_BATCH = 256, 32  # training examples, and how many of them at a time
PACKAGES = ("onnx", "onnxscript", "onnxruntime")
NEEDS_PACKAGES = (
    "int8 needs onnx, onnxscript and onnxruntime, which are not all installed here: "
    'pip install "distillery-lab[export]".'
)

_files: WeakKeyDictionary[nn.Module, bytes] = WeakKeyDictionary()  # the export takes a second
_lock = threading.Lock()  # the exporter changes settings of the process


def can_quantise() -> bool:
    """Return whether the packages that this module needs are installed."""
    return all(importlib.util.find_spec(name) is not None for name in PACKAGES)


def quantisations(network: nn.Module) -> tuple[str, ...]:
    """Return the kinds of quantisation that apply to a network; dynamic where all of its layers are linear."""
    is_linear = all(isinstance(layer, nn.Linear) for layer in layers(network))
    return (STATIC, DYNAMIC) if is_linear else (STATIC,)


class OnnxNetwork(nn.Module):
    """Network in an ONNX file as a module from inputs (B, ...) to logits (B, K), on one thread of the CPU."""

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


def to_onnx(network: nn.Module, inputs: Tensor) -> bytes:
    """Return a network as an ONNX file for batches of any size.

    Args:
        network: The network, in eval mode on the CPU.
        inputs: Two examples or more (B, ...).

    Raises:
        ImportError: without the packages.
        ValueError: for a network that cannot be exported.
    """
    if not can_quantise():
        raise ImportError(NEEDS_PACKAGES)
    with _lock:
        if network not in _files:
            _files[network] = _export(network, inputs[:2])
        return _files[network]


def _export(network: nn.Module, inputs: Tensor) -> bytes:
    with tempfile.TemporaryDirectory() as folder, _quiet():
        path = Path(folder) / "network.onnx"
        try:
            torch.onnx.export(
                network, (inputs,), dynamo=True, input_names=["input"], output_names=["logits"],
                dynamic_shapes=({0: torch.export.Dim("batch")},), verbose=False, external_data=False, f=path,
            )  # fmt: skip
        except Exception as error:  # the exporter documents no type
            raise ValueError(f"This network cannot be written as an ONNX file ({type(error).__name__}).") from error
        return path.read_bytes()


def quantise(blob: bytes, kind: str, calibration: Tensor) -> bytes:
    """Return an ONNX file with weights in int8, one scale per output channel.

    Args:
        blob: What :func:`to_onnx` returned.
        kind: :data:`STATIC` or :data:`DYNAMIC`.
        calibration: Training inputs (N, ...), which determine the scales of the activations of static quantisation.
    """
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with _lock, tempfile.TemporaryDirectory() as folder, _quiet():
        float32, prepared, quantised = (Path(folder) / f"{name}.onnx" for name in ("float32", "prepared", "int8"))
        float32.write_bytes(blob)
        quant_pre_process(str(float32), str(prepared))
        if kind == STATIC:
            quantization.quantize_static(
                str(prepared), str(quantised), _reader(calibration), per_channel=True,
                quant_format=quantization.QuantFormat.QDQ, activation_type=quantization.QuantType.QUInt8,
                weight_type=quantization.QuantType.QInt8,
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


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Suppress what the exporter and the quantiser print and warn of, which is about their own code."""
    names = ("torch.onnx", "onnxscript", "onnx_ir", "root")
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
