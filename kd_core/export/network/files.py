"""Files of one network, each compared with the network itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import torch
from safetensors.torch import load
from torch import Tensor

from kd_core.base.devices import limit_threads
from kd_core.base.marks import percent
from kd_core.export.code import model_code
from kd_core.export.network import graphs
from kd_core.export.network.stored import Content, StoredNetwork
from kd_core.nn.hooks import LOGITS
from kd_core.nn.inference import freeze, predict_logits

Compared = tuple[bytes, dict[str, Any]]  # content, and the result of graphs.compare

TOLERANCE = 1e-4  # of the logits of model.py


def safetensors(network: StoredNetwork) -> bytes:
    """Return the weights as a safetensors file, which comes back as a teacher."""
    return network.safetensors()


def pt2(network: StoredNetwork) -> Content:
    """Return the program of ``torch.export``, and how closely it answers."""
    return _with_sentence(network, *compared_pt2(network))


def onnx(network: StoredNetwork) -> Content:
    """Return the ONNX file, and how closely onnxruntime answers. Raises ImportError without its packages."""
    return _with_sentence(network, *compared_onnx(network))


def compared_pt2(network: StoredNetwork) -> Compared:
    """Return the program of ``torch.export`` and its comparison with the network."""
    content = graphs.to_pt2(network.program)
    return content, _comparison(graphs.answers_of_pt2(content, network.examples.inputs), network)


def compared_onnx(network: StoredNetwork) -> Compared:
    """Return the ONNX file and its comparison with the network. Raises ImportError without its packages."""
    about = {"classes": json.dumps(network.data.classes), "role": network.role, "mark": network.mark}
    task, inputs = network.data.task, network.examples.inputs
    expected = task.decoded(network.logits)
    program = network.program
    if expected:
        program = graphs.export_program(graphs.DecodedNetwork(network.network, task), network.data.shape)
    content = graphs.to_onnx(program, about, [LOGITS, *expected])
    comparison = _comparison(graphs.answers_of_onnx(content, inputs), network)
    if expected:
        decoded = {name: graphs.answers_of_onnx(content, inputs, name) for name in expected}
        comparison["decoded"] = {
            name: float((value - expected[name]).abs().double().max()) for name, value in decoded.items()
        }
    return content, comparison


def _comparison(outputs: Tensor, network: StoredNetwork) -> dict[str, Any]:
    return graphs.compare(outputs, network.logits, network.data.task)


def compared_code(network: StoredNetwork) -> Compared:
    """Return ``model.py`` and the comparison of its network with the weights loaded.

    Raises ValueError for a network without code, and where the code computes something else.
    """
    source = model_code(network.config, network.role, network.network)
    module = ModuleType("model")
    exec(compile(source, "model.py", "exec"), module.__dict__)  # written by this package from its own parts
    rebuilt = module.build()
    rebuilt.load_state_dict(load(network.safetensors()))
    with limit_threads(), torch.no_grad():
        comparison = _comparison(predict_logits(freeze(rebuilt), network.examples.inputs), network)
    if comparison["largest_difference"] > TOLERANCE:
        raise ValueError(f"Its logits differ by up to {comparison['largest_difference']:.1e}.")
    return source.encode(), comparison


def sentence(comparison: Mapping[str, Any], split: str) -> str:
    """Return a comparison in words."""
    text = f"compared with the network on all {comparison['examples']:,} {split} examples, its outputs "
    text += _difference(comparison["largest_difference"])
    if "same_top_class" in comparison:
        text += f", with the same top class on {percent(comparison['same_top_class'])} of the {comparison['rows']}"
    if decoded := comparison.get("decoded"):
        text += f", and its {', '.join(decoded)} {_difference(max(decoded.values()))}"
    return text


def _difference(largest: float) -> str:
    return f"differ by at most {largest:.1e}" if largest else "are the same"


def _with_sentence(network: StoredNetwork, content: bytes, comparison: dict[str, Any]) -> Content:
    text = sentence(comparison, network.split)
    return Content(content, (f"{text[:1].upper()}{text[1:]}.",))
