"""Networks as ONNX files and as programs of ``torch.export``, and how closely they answer like the network.

Both hold the computation itself, so that they run without this package.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from kd_core.base.devices import limit_threads
from kd_core.export.packages import missing_packages
from kd_core.nn.hooks import LOGITS
from kd_core.tasks import Task

LARGEST_BATCH = 4096
BATCH = 512  # examples per forward pass of a comparison
ONNX_PACKAGES = ("onnx", "onnxscript", "onnxruntime")
INSTALL = '"distillery-lab[export]"'


class DecodedNetwork(nn.Module):
    """Network whose outputs are followed by what its task decodes of them."""

    def __init__(self, network: nn.Module, task: Task) -> None:
        super().__init__()
        self.network, self.task = network, task

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        outputs: Tensor = self.network(inputs)
        return outputs, *self.task.decoded(outputs).values()


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


def to_onnx(
    program: torch.export.ExportedProgram, metadata: dict[str, str], outputs: Sequence[str] = (LOGITS,)
) -> bytes:
    """Return an ONNX file from "input" (N, ...) to named outputs. Raises ImportError without its packages."""
    if sentence := missing_packages("ONNX", ONNX_PACKAGES, INSTALL):
        raise ImportError(sentence)
    import onnx

    with limit_threads():
        written = torch.onnx.export(program, dynamo=True, input_names=["input"], output_names=outputs, verbose=False)
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


def answers_of_onnx(blob: bytes, inputs: Tensor, output: str = LOGITS) -> Tensor:
    """Return an output (N, ...) that onnxruntime computes on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(blob, options, providers=["CPUExecutionProvider"])
    return _in_batches(lambda rows: torch.from_numpy(session.run([output], {"input": rows.numpy()})[0]), inputs)


def compare(outputs: Tensor, expected: Tensor, task: Task) -> dict[str, Any]:
    """Return the largest difference of outputs (N, ...) from the network's, and the fraction of rows with equal class.

    Predicted numbers have no class.
    """
    comparison: dict[str, Any] = {
        "largest_difference": float((outputs - expected).abs().max()),
        "examples": len(expected),
    }
    if task.has_class_rows:
        same = task.answers(task.rows(outputs)) == task.answers(task.rows(expected))
        comparison |= {"same_top_class": float(same.double().mean()), "rows": task.row_noun}
    return comparison


def _in_batches(network: Callable[[Tensor], Tensor], inputs: Tensor) -> Tensor:
    return torch.cat([network(chunk) for chunk in torch.split(inputs.contiguous(), BATCH)])
