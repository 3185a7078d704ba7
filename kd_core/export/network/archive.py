"""ZIP with weights, plain PyTorch code, ONNX, numbers and a model card of one network."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import torch

from kd_core import __version__
from kd_core.base.metrics import recalls
from kd_core.export.network.files import compared_code, compared_onnx, compared_pt2
from kd_core.export.network.inputs import describe_answers, describe_inputs
from kd_core.export.network.model_card import model_card
from kd_core.export.network.stored import Content, StoredNetwork, file_stem
from kd_core.export.records import as_json

DATE = (1980, 1, 1, 0, 0, 0)  # of every entry, the first that a ZIP can hold, so that equal runs give equal files


def make_archive(network: StoredNetwork) -> Content:
    """Return the ZIP, the same bytes for equal runs, and a sentence on each file that could not be made."""
    contents, parity, notes = {"model.safetensors": network.safetensors()}, dict[str, Any](), list[str]()
    stem = file_stem(network.role)
    makers = {"model.py": compared_code, f"{stem}.pt2": compared_pt2, f"{stem}.onnx": compared_onnx}
    for name, make in makers.items():
        try:
            contents[name], parity[name] = make(network)
        except Exception as error:  # torch.export, too, raises all kinds of exceptions for networks of others
            reason = str(error).strip().split("\n")[0] or type(error).__name__
            notes.append(f"{name} is left out. {reason}")
    task = network.data.task
    if not task.script:
        missing = f"There is no script that answers. None is written yet for {task.title.lower()}."
        notes.append(f"{missing} {task.output_note}".rstrip())
    elif "model.py" in contents or (not (task.can_write or task.answer_settings) and f"{stem}.pt2" in contents):
        contents[task.script] = (files("kd_core.export.network") / task.script).read_bytes()
    by_class: dict[str, float | None] = {}
    if task.has_class_per_example:
        by_class = dict(zip(network.data.classes, recalls(network.logits, network.examples.labels), strict=True))
    contents["config.json"] = as_json(_config(network))
    contents["metrics.json"] = as_json(_metrics(network, by_class, parity))
    contents["README.md"] = model_card(network, sorted(contents), by_class, parity, notes).encode()
    return Content(_zipped(contents), missing=tuple(notes))


def _config(network: StoredNetwork) -> dict[str, Any]:
    config, model = network.config, network.model
    return {
        "role": network.role, "classes": list(network.data.classes), "shape": list(network.data.shape),
        "inputs": describe_inputs(config.dataset, network.data), "answers": describe_answers(network.data),
        "architecture": None if model is None else model.to_dict() | {"label": model.label()},
        "settings": config.differences(), "run": json.loads(config.to_json()),
        "versions": {"distillery": __version__, "torch": torch.__version__},
    }  # fmt: skip


def _metrics(network: StoredNetwork, by_class: Mapping[str, float | None], parity: Mapping[str, Any]) -> dict[str, Any]:
    verdict = network.verdict
    return {
        "role": network.role, "state": network.run.state, "mark": network.mark, "test": network.run.test or {},
        "verdict": None if verdict is None else {
            "sentence": verdict.sentence, "outcome": verdict.outcome, "gain_points": verdict.gain,
            "interval_points": verdict.interval, "p_value": verdict.p_value, "seeds": list(network.seeds),
        },
        "recall_by_class": by_class, "compared_on": network.split, "parity": parity,
    }  # fmt: skip


def _zipped(contents: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(contents.items()):
            entry = zipfile.ZipInfo(name, DATE)
            entry.external_attr, entry.create_system = 0o644 << 16, 3
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()
