"""ONNX files, of which standard operators alone are computed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kd_core.files.limits import RefusedError
from kd_core.files.teachers import onnx_file
from kd_core.files.teachers.batches import MAX_EXAMPLES

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

WEIGHT = np.arange(12, dtype=np.float32).reshape(4, 3)


def model(*nodes: Any, batch: int | str = "batch", initialisers: list[Any] | None = None) -> Any:
    """Return a network from four numbers to three logits."""
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        list(nodes) or [helper.make_node("MatMul", ["x", "w"], ["y"])], "graph",
        [helper.make_tensor_value_info("x", kind, [batch, 4])], [helper.make_tensor_value_info("y", kind, [batch, 3])],
        initialisers if initialisers is not None else [onnx.numpy_helper.from_array(WEIGHT, "w")],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize("batch", ["batch", 1, 4])
def test_a_file_is_computed_for_any_number_of_examples(batch: int | str) -> None:
    blob = model(batch=batch).SerializeToString()
    inputs = torch.randn(MAX_EXAMPLES + 5, 4)
    assert torch.allclose(onnx_file.OnnxFunction(blob)(inputs), inputs @ torch.from_numpy(WEIGHT), atol=1e-5)


@pytest.mark.usefixtures("in_this_process")
def test_the_shape_of_its_output_is_found() -> None:
    assert onnx_file.examine(model().SerializeToString(), (4,)) == (3,)


def external(path: Path) -> Any:
    tensor = onnx.numpy_helper.from_array(WEIGHT, "w")
    onnx.external_data_helper.set_external_data(tensor, str(path))
    tensor.ClearField("raw_data")
    return model(initialisers=[tensor])


def make_node(*arguments: Any, **more: Any) -> Any:
    return onnx.helper.make_node(*arguments, **more)


def loop() -> Any:
    body = onnx.helper.make_graph([], "body", [], [])
    return model(make_node("Loop", ["x", "x"], ["y"], body=body))


def hidden_constant() -> Any:
    """Return a constant in an attribute whose content is in another file."""
    tensor = onnx.numpy_helper.from_array(WEIGHT, "w")
    onnx.external_data_helper.set_external_data(tensor, "secret.bin")
    tensor.ClearField("raw_data")
    return model(
        make_node("Constant", [], ["w"], value=tensor), make_node("MatMul", ["x", "w"], ["y"]), initialisers=[]
    )


def huge() -> Any:
    tensor = onnx.TensorProto(name="w", data_type=onnx.TensorProto.FLOAT, dims=[2**40, 2**40])
    return model(initialisers=[tensor])


HOSTILE = {
    "external": (lambda: external(Path("weights.bin")), "is in another file"),
    "outside": (lambda: external(Path("/etc/passwd")), "is in another file"),
    "hidden": (hidden_constant, "is in another file"),
    "custom": (lambda: model(make_node("Run", ["x"], ["y"], domain="my.ops")), '"my.ops.Run" is not of the standard'),
    "loop": (loop, "branches or loops"),
    "huge": (huge, "has more than 500,000,000 numbers"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_file_is_refused_with_the_reason(kind: str) -> None:
    make, sentence = HOSTILE[kind]
    with pytest.raises(ValueError, match=sentence):
        onnx_file.check_model(make())


@pytest.mark.slow
def test_a_file_that_needs_too_much_memory_is_refused_and_the_caller_goes_on(tmp_path: Path) -> None:
    """The file is small and names no size; computed, it would take 4 TB."""
    size = onnx.numpy_helper.from_array(np.array([2**20, 2**20]), "size")
    nodes = make_node("ConstantOfShape", ["size"], ["big"]), make_node("ReduceSum", ["big"], ["y"])
    with pytest.raises(RefusedError, match=r"cannot be computed for inputs of \(4,\)") as refusal:
        onnx_file.examine(model(*nodes, initialisers=[size]).SerializeToString(), (4,))
    assert str(refusal.value).endswith(".")


@pytest.mark.parametrize("blob", [b"", b"hello", b"\x08\x07" * 50], ids=["empty", "text", "bytes"])
def test_what_is_no_onnx_is_refused(tmp_path: Path, blob: bytes) -> None:
    (tmp_path / onnx_file.FILE).write_bytes(blob)
    with pytest.raises(ValueError, match=r"ONNX|input|output|damaged"):
        onnx_file.output_shape(tmp_path, "[4]")


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(RefusedError, match=r"pip install .*export"):
        onnx_file.check_installed()
