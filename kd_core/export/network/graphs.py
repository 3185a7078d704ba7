"""Networks as ONNX files and as programs of ``torch.export``, and how closely they answer like the network.

Both hold the computation itself, so that they run without this package.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from kd_core.base.devices import limit_threads
from kd_core.export.packages import missing_packages

LARGEST_BATCH = 4096
BATCH = 512  # examples per forward pass of a comparison
ONNX_PACKAGES = ("onnx", "onnxscript", "onnxruntime")
INSTALL = '"distillery-lab[export]"'


def export_program(network: nn.Module, shape: tuple[int, ...]) -> torch.export.ExportedProgram:
    """Return the computation for inputs (B, *shape), for any number of examples from 1 to 4,096."""
    # Traced with zeros, since the inputs are stored in the file, and no user's data may leave in it.
    example, batch = torch.zeros(2, *shape), torch.export.Dim("batch", min=1, max=LARGEST_BATCH)
    with limit_threads(), torch.no_grad():
        program = torch.export.export(network, (example,), dynamic_shapes=({0: batch},))
    for node in program.graph.nodes:  # these name files and lines of this machine
        node.meta.pop("stack_trace", None)
    return program


def to_pt2(program: torch.export.ExportedProgram) -> bytes:
    """Return a file that ``torch.export.load`` reads."""
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    return buffer.getvalue()


def to_onnx(program: torch.export.ExportedProgram, metadata: dict[str, str]) -> bytes:
    """Return an ONNX file from "input" (N, ...) to "logits" (N, K). Raises ImportError without its packages."""
    if sentence := missing_packages("ONNX", ONNX_PACKAGES, INSTALL):
        raise ImportError(sentence)
    import onnx

    with limit_threads():
        written = torch.onnx.export(program, dynamo=True, input_names=["input"], output_names=["logits"], verbose=False)
    assert written is not None
    model = written.model_proto
    for part in (model.graph, *model.functions):
        for item in (*part.node, *part.value_info):  # these name files and lines of this machine
            item.ClearField("metadata_props")
            item.ClearField("doc_string")
        part.ClearField("metadata_props")
    onnx.helper.set_model_props(model, metadata)
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


def answers_of_pt2(blob: bytes, inputs: Tensor) -> Tensor:
    """Return the logits (N, K) of a ``.pt2`` file that was written here."""
    module = torch.export.load(io.BytesIO(blob)).module()
    with limit_threads(), torch.no_grad():
        return _in_batches(module, inputs)


def answers_of_onnx(blob: bytes, inputs: Tensor) -> Tensor:
    """Return the logits (N, K) that onnxruntime computes on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(blob, options, providers=["CPUExecutionProvider"])
    return _in_batches(lambda rows: torch.from_numpy(session.run(["logits"], {"input": rows.numpy()})[0]), inputs)


def compare(logits: Tensor, expected: Tensor) -> dict[str, Any]:
    """Return the largest difference of logits (N, K) from the network's, and the fraction of equal top classes."""
    same = logits.argmax(1) == expected.argmax(1)
    return {
        "largest_difference": float((logits - expected).abs().max()),
        "same_top_class": float(same.double().mean()),
        "examples": len(expected),
    }


def _in_batches(network: Callable[[Tensor], Tensor], inputs: Tensor) -> Tensor:
    return torch.cat([network(chunk).float() for chunk in torch.split(inputs.contiguous(), BATCH)])
