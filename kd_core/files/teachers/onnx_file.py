"""Networks in ONNX of standard operators, in one file, without loops and of bounded size, computed by onnxruntime."""

from __future__ import annotations

import importlib.util
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kd_core.files import limited_process
from kd_core.files.limits import RefusedError, quoted
from kd_core.files.teachers.batches import MAX_EXAMPLES, compute_in_batches

MAX_BYTES = 2_000_000_000
MAX_ELEMENTS = 500_000_000  # of one tensor
MAX_NODES = 100_000
FILE = "network.onnx"
HINT = "export it again with torch.onnx.export, as one file."
INSTALL = 'reading ONNX needs onnx and onnxruntime: pip install "distillery-lab[export]"'
STANDARD = ("", "ai.onnx")  # domains
CONTROL = {"If", "Loop", "Scan", "SequenceMap"}  # could run without end


def check_installed() -> None:
    """Raise RefusedError, with what to install, where one of the packages is missing."""
    if any(importlib.util.find_spec(name) is None for name in ("onnx", "onnxruntime")):
        raise RefusedError(f"{INSTALL}.")


def examine(blob: bytes, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Check a file and return the shape of its output for one input of ``shape``. Raises RefusedError.

    It is read and computed for the first time in a process with limits of memory and time.
    """
    check_installed()
    if len(blob) > MAX_BYTES:
        raise RefusedError(f"it is larger than {MAX_BYTES / 1e9:g} GB: give a smaller file.")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / FILE).write_bytes(blob)
        try:
            text = limited_process.call(
                "kd_core.files.teachers.onnx_file:output_shape", json.dumps(shape), folder=folder
            )
        except limited_process.LimitError as error:
            raise RefusedError(f"it cannot be computed for inputs of {shape} ({error}): {HINT}") from error
        except ValueError as error:
            raise RefusedError(f"{error}: {HINT}") from error
    return tuple(json.loads(text))


def output_shape(folder: Path, text: str) -> str:
    """Check and compute a file. Runs in the limited process. Raises ValueError with a sentence without full stop."""
    import onnx

    path, shape = folder / FILE, tuple(json.loads(text))
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception:
        raise ValueError("it is no ONNX file, or damaged") from None
    check_model(model)
    path.unlink()  # nothing beside the file can be read, not even the file itself
    try:
        network = OnnxFunction(model.SerializeToString())
    except ValueError:
        raise
    except Exception as error:  # onnxruntime has many kinds
        raise ValueError(f"onnxruntime cannot read it ({' '.join(str(error).split())[:150]})") from None
    if network.shape[1:] and not _fits(network.shape[1:], shape):
        raise ValueError(f"its input is {network.shape[1:]}, and these data have {shape}")
    output = network(torch.zeros(MAX_EXAMPLES, *shape))
    if output.dim() != 2 or len(output) != MAX_EXAMPLES:
        raise ValueError("it does not return logits (N, K)")
    return json.dumps(list(output.shape[1:]))


def check_model(model: Any) -> None:
    """Raise ValueError for what is not computed here."""
    if not model.graph.node:
        raise ValueError("it is no ONNX file, or damaged")
    if model.functions or model.training_info:
        raise ValueError("it defines functions or training steps of its own")
    count = 0
    for graph in _graphs(model.graph):
        for tensor in _tensors(graph):
            if tensor.external_data or tensor.data_location == 1:
                raise ValueError(f"the tensor {quoted(tensor.name)} is in another file")
            if any(size < 0 for size in tensor.dims) or np.prod([1, *tensor.dims], dtype=float) > MAX_ELEMENTS:
                raise ValueError(f"the tensor {quoted(tensor.name)} has more than {MAX_ELEMENTS:,} numbers")
        for value in (*graph.input, *graph.output, *graph.value_info):
            sizes = [size.dim_value for size in value.type.tensor_type.shape.dim]
            if np.prod([1, *sizes], where=[True, *(size > 0 for size in sizes)], dtype=float) > MAX_ELEMENTS:
                raise ValueError(f"{quoted(value.name)} has more than {MAX_ELEMENTS:,} numbers")
        for node in graph.node:
            count += 1
            if node.domain not in STANDARD:
                raise ValueError(f"the operator {quoted(node.domain + '.' + node.op_type)} is not of the standard")
            if node.op_type in CONTROL:
                raise ValueError(f"it has branches or loops ({node.op_type}), which are not computed")
    if count > MAX_NODES:
        raise ValueError(f"it has more than {MAX_NODES:,} operators")


def _graphs(graph: Any) -> Iterator[Any]:
    """Yield a graph and those inside its nodes."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                if inner.node:
                    yield from _graphs(inner)


def _tensors(graph: Any) -> Iterator[Any]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)


def _fits(declared: tuple[Any, ...], shape: tuple[int, ...]) -> bool:
    is_same = len(declared) == len(shape)
    pairs = zip(declared, shape, strict=False)
    return is_same and all(not isinstance(size, int) or size == expected for size, expected in pairs)


class OnnxFunction:
    """Function of inputs (B, ...) float32 that onnxruntime computes on the CPU. Returns logits (B, K)."""

    def __init__(self, blob: bytes) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        self.session = onnxruntime.InferenceSession(blob, options, providers=["CPUExecutionProvider"])
        inputs, outputs = self.session.get_inputs(), self.session.get_outputs()
        if len(inputs) != 1 or len(outputs) != 1 or inputs[0].type != "tensor(float)":
            raise ValueError("it must have one input of float32 numbers and one output, the logits")
        self.name, self.shape = inputs[0].name, tuple(inputs[0].shape)
        self.batch = self.shape[0] if self.shape and isinstance(self.shape[0], int) else 0  # 0: any

    def __call__(self, inputs: Tensor) -> Tensor:
        return compute_in_batches(self._compute, inputs, self.batch)

    def _compute(self, inputs: Tensor) -> Tensor:
        return torch.from_numpy(self.session.run(None, {self.name: inputs.contiguous().numpy()})[0])
