"""Programs of torch.export, rewritten so that loading them runs nothing."""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from kd_core.files.limits import RefusedError
from kd_core.files.teachers import program

SHAPE, CLASSES = (1, 6, 6), 3
MODEL = "archive/models/model.json"
WEIGHTS = "archive/data/weights/model_weights_config.json"


def network() -> nn.Module:
    torch.manual_seed(0)
    layers = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.GELU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 3)
    return nn.Sequential(*layers).eval()


@pytest.fixture(scope="module")
def blob() -> bytes:
    batch = torch.export.Dim("batch", min=1, max=4096)
    exported = torch.export.export(network(), (torch.zeros(4, *SHAPE),), dynamic_shapes=({0: batch},))
    torch.export.save(exported, file := io.BytesIO())
    return file.getvalue()


def changed(blob: bytes, member: str, change: Callable[[Any], object] | bytes) -> bytes:
    """Return an archive with one member changed, or added."""
    with zipfile.ZipFile(io.BytesIO(blob)) as source, zipfile.ZipFile(file := io.BytesIO(), "w") as target:
        names = source.namelist()
        for name in dict.fromkeys([*names, member]):
            content = source.read(name) if name in names else b""
            if name == member and callable(change):
                body = json.loads(content)
                change(body)
                content = json.dumps(body).encode()
            elif name == member:
                assert isinstance(change, bytes)
                content = change
            target.writestr(name, content)
    return file.getvalue()


@pytest.mark.slow
def test_a_rewritten_program_computes_what_the_network_does(blob: bytes) -> None:
    rewritten = program.rewrite(blob)
    inputs = torch.randn(7, *SHAPE)
    assert torch.equal(program.load(rewritten)(inputs), network()(inputs))
    assert program.examine(rewritten, SHAPE) == (CLASSES,)


@pytest.mark.usefixtures("in_this_process")
def test_a_program_for_batches_of_one_size_is_computed_for_any_number() -> None:
    torch.export.save(torch.export.export(network(), (torch.zeros(4, *SHAPE),)), file := io.BytesIO())
    rewritten = program.rewrite(file.getvalue())
    inputs = torch.randn(7, *SHAPE)
    assert torch.allclose(program.load(rewritten)(inputs), network()(inputs), atol=1e-6)
    assert program.examine(rewritten, SHAPE) == (CLASSES,)


def test_pickles_of_examples_are_replaced_and_guards_are_left_out(blob: bytes, tmp_path: Path) -> None:
    class Call:
        def __reduce__(self) -> tuple[Any, Any]:
            return os.mkdir, (str(tmp_path / "left behind"),)

    hostile = changed(blob, "archive/data/sample_inputs/model.pt", pickle.dumps(Call()))
    guard = f"__import__('os').mkdir({str(tmp_path / 'left behind')!r})"
    hostile = changed(hostile, MODEL, lambda body: body.update(guards_code=[guard]))
    loaded = program.load(program.rewrite(hostile))
    assert loaded(torch.zeros(2, *SHAPE)).shape == (2, CLASSES)
    assert list(tmp_path.iterdir()) == []


def graph(body: Any) -> Any:
    return body["graph_module"]["graph"]


def set_target(text: str) -> Callable[[Any], object]:
    return lambda body: graph(body)["nodes"][0].update(target=text)


def set_name(text: str) -> Callable[[Any], object]:
    return lambda body: graph(body)["inputs"][-1]["as_tensor"].update(name=text)


def set_size(text: str) -> Callable[[Any], object]:
    def change(body: Any) -> None:
        values = graph(body)["tensor_values"]
        next(iter(values.values()))["sizes"][0] = {"as_expr": {"expr_str": text, "hint": None}}

    return change


def set_argument(value: Any) -> Callable[[Any], object]:
    return lambda body: graph(body)["nodes"][0]["inputs"].append({"name": "x", "arg": value, "kind": 1})


def set_tree(kind: str) -> Callable[[Any], object]:
    text = json.dumps([1, {"type": kind, "context": '"os.system"', "children_spec": []}])

    def change(body: Any) -> None:
        body["graph_module"]["module_call_graph"][0]["signature"]["in_spec"] = text

    return change


def set_first_weight(**values: Any) -> Callable[[Any], object]:
    return lambda body: next(iter(body["config"].values())).update(values)


def add_object(body: Any) -> None:
    graph(body)["custom_obj_values"] = {"x": {"name": "x", "class_fqn": "A"}}


SURPRISES: dict[str, tuple[str, Callable[[Any], object] | bytes, str]] = {
    "any function of torch": (MODEL, set_target("torch.os.system"), "only operators of ATen"),
    "a function of torch.hub": (MODEL, set_target("torch.hub.load"), "only operators of ATen"),
    "an operator of a library": (MODEL, set_target("torch.ops.mylib.run.default"), "only operators of ATen"),
    "files of this machine": (MODEL, set_target("torch.ops.aten.from_file.default"), "only operators of ATen"),
    "extension": (MODEL, set_target("#ext:x"), "only operators of ATen"),
    "a name that is Python": (MODEL, set_name("x=__import__('os').system('id')"), "no name of a value"),
    "a size that is Python": (MODEL, set_size("__import__('os').system('id')"), "no plain expression"),
    "an enormous size": (MODEL, set_size("9**9**9"), "no plain expression"),
    "text for an operator": (MODEL, set_argument({"as_string": "/etc/passwd"}), "passes the text"),
    "a graph within": (MODEL, set_argument({"as_graph": {"name": "g", "graph": {}}}), "branches or loops"),
    "an operator as argument": (MODEL, set_argument({"as_operator": "torch.os.system"}), "holds the text"),
    "an object as input": (MODEL, set_tree("collections.defaultdict"), "inputs or outputs are"),
    "objects": (MODEL, add_object, "objects"),
    "a pickled weight": (WEIGHTS, set_first_weight(use_pickle=True), "is a pickle"),
    "a weight elsewhere": (WEIGHTS, set_first_weight(path_name="../../secret"), "is a pickle"),
    "a library": ("archive/data/aotinductor/model/x.so", b"\x7fELF", "no part of a plain program"),
    "an old pickle of weights": ("archive/data/weights/model.pt", b"\x80\x02}.", "no part of a plain program"),
    "no JSON": (MODEL, b"{", "cannot be read"),
    "a list": (MODEL, b"[]", "cannot be read"),
    "deep": (MODEL, b"[" * 100_000, "damaged|cannot be read"),
}  # fmt: skip


@pytest.mark.parametrize("kind", SURPRISES)
def test_a_program_with_a_surprise_is_refused_in_a_sentence(blob: bytes, kind: str) -> None:
    member, change, sentence = SURPRISES[kind]
    with pytest.raises(RefusedError, match=sentence) as refusal:
        program.rewrite(changed(blob, member, change))
    assert str(refusal.value).endswith(".")
    assert "\n" not in str(refusal.value)


@pytest.mark.usefixtures("in_this_process")
def test_a_program_for_other_inputs_is_refused(blob: bytes) -> None:
    with pytest.raises(RefusedError, match=r"cannot be computed for inputs of \(3, 6, 6\)"):
        program.examine(program.rewrite(blob), (3, 6, 6))
