"""Model card of one network in the format of Hugging Face, a text in Markdown after metadata in YAML."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from kd_core import __version__
from kd_core.analysis.intervals import estimate_measure
from kd_core.base.marks import percent, unbroken
from kd_core.datasets import Data
from kd_core.export.network.files import sentence
from kd_core.export.network.inputs import usage
from kd_core.export.network.stored import StoredNetwork
from kd_core.files.teachers.provenance import provenance
from kd_core.schemes import teacher_phase
from kd_core.tasks import CHARACTERS, EXAMPLE

MOST_CLASSES = 40  # with a row each; of more classes those with the lowest recall have one
CONTENT = {
    "model.safetensors": "the weights; the names are those of the network’s `state_dict()`",
    "model.py": "the network in plain PyTorch: `build()` returns it",
    "predict.py": "answers for files",
    "write.py": "continues a text",
    "config.json": "classes, preparation of the inputs, and all settings of the run",
    "metrics.json": "every number of this page, and more",
    "README.md": "this page",
    ".pt2": "the network as a program of `torch.export`: `torch.export.load(file).module()`",
    ".onnx": "the network for ONNX runtimes, from `input` to `logits`, for any number of examples",
}


def model_card(
    network: StoredNetwork, names: Sequence[str], by_class: Mapping[str, float | None],
    parity: Mapping[str, Mapping[str, Any]], notes: Sequence[str],
) -> str:  # fmt: skip
    """Return the card.

    Args:
        network: What the card is about.
        names: Of the files beside the card.
        by_class: Recall by class.
        parity: By file, how closely it answers like the network.
        notes: Sentences on files that are left out.
    """
    title = _plain(f"{network.role[:1].upper()}{network.role[1:]} on {network.config.dataset.title}")
    mark = [f"> **{network.mark[:1].upper()}{network.mark[1:]}.** This network is not the result of a whole run.", ""]
    parts = [
        _front_matter(network, title), "", f"# {title}", "", *(mark if network.mark else []),
        *_use(network, names), *_results(network), *_recalls(network, by_class), *_data(network), *_training(network),
        *_limits(network), *_files(network, [*names, "README.md"], parity, notes),
    ]  # fmt: skip
    return "\n".join(parts).rstrip() + "\n"


def _front_matter(network: StoredNetwork, title: str) -> str:
    """Return the metadata as YAML; a value in JSON is YAML as well."""
    config, data = network.config, network.data
    kind = "classification" if data.task.has_class_rows else "regression"
    inputs = "text" if data.task.inputs == CHARACTERS else "image" if data.has_images else "tabular"
    task = data.task.hub_task or f"{inputs}-{kind}"
    score, test = data.task.score_title, (network.run.test or {}).get(network.role, {})
    titles = {"accuracy": score, "loss": data.task.loss_title}
    titles |= {one.name: one.title if one.unit == "%" else one.column for one in data.task.measures}
    metrics = [
        {"type": score.lower().replace(" ", "_") if name == "accuracy" else name, "name": f"Test {title}",
         "value": test[name]}
        for name, title in titles.items()
        if name in test
    ]  # fmt: skip
    results = [{
        "task": {"type": task}, "metrics": metrics,
        "dataset": {"name": config.dataset.title, "type": config.dataset.short_name, "split": "test"},
    }]  # fmt: skip
    licence = f"Not chosen. Licence of the data: {config.dataset.licence or 'not stated'}"
    tags = ["knowledge-distillation", "safetensors", config.method.short_name, config.scheme.short_name]
    metadata = {
        "license": "other", "license_name": licence, "library_name": "pytorch", "pipeline_tag": task,
        "tags": list(dict.fromkeys(tags)), "model-index": [{"name": title, "results": results if metrics else []}],
    }  # fmt: skip
    lines = [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in metadata.items()]
    return "\n".join(["---", *lines, "---"])


def _use(network: StoredNetwork, names: Sequence[str]) -> list[str]:
    if network.data.task.script not in names:
        return []
    packages, command = usage(network.data)
    return ["## Use", "", "```", f"pip install {packages}", command, "```", ""]


def _results(network: StoredNetwork) -> list[str]:
    tests = network.run.test or {}
    lines = ["## Results", "", unbroken(_plain(network.verdict.sentence)), ""] if network.verdict else []
    rows = []
    for each in network.prepared.networks if network.prepared else []:
        if (test := tests.get(each.role)) is None:
            continue
        low, high = estimate_measure([tests], each.role, "accuracy").examples_interval()
        agreement, error = (percent(test[name]) if name in test else "–" for name in ("agreement", "calibration_error"))
        interval = f"{percent(low)} to {percent(high)}" if test["examples"] else "–"
        name = f"**{_plain(each.role)}**" if each.role == network.role else _plain(each.role)
        rows.append(
            f"| {name} | {_plain(each.model)} | {percent(test['accuracy'])} | {interval} "
            f"| {agreement} | {error} | {each.parameters:,} | {each.size:,} |"
        )
    if rows:
        score = network.data.task.score_title
        examples = int(tests[network.role]["examples"]) if network.role in tests else 0
        lines += [
            _tested_on(examples, len(network.data.test)), "",
            f"| network | layers | {score} | 95 % interval | agrees with teacher | calibration error | parameters "
            "| bytes |", "|---|---|---:|---|---:|---:|---:|---:|", *rows, "",
        ]  # fmt: skip
    return lines or ["## Results", "", "The run has not ended, so nothing was measured on the test set.", ""]


def _tested_on(counted: int, examples: int) -> str:
    text = f"On {counted or examples:,} test examples, which were used for nothing else."
    return f"{text} The intervals are those of this seed on other test examples." if counted else text


def _recalls(network: StoredNetwork, by_class: Mapping[str, float | None]) -> list[str]:
    if not by_class:  # not of a network whose examples have no class
        return []
    ordered = list(by_class.items())
    clause = ""
    if len(ordered) > MOST_CLASSES:
        ordered = sorted(ordered, key=lambda item: 1.0 if item[1] is None else item[1])[:MOST_CLASSES]
        clause = f" The {MOST_CLASSES} lowest of {len(by_class)}; metrics.json has all."
    rows = [f"| {_plain(name)} | {'–' if value is None else percent(value)} |" for name, value in ordered]
    head = f"Fraction of the {network.split} examples of each class that this network recognises.{clause}"
    return ["## Recall by class", "", head, "", "| class | recall |", "|---|---:|", *rows, ""]


def _data(network: StoredNetwork) -> list[str]:
    dataset, data = network.config.dataset, network.data
    splits = ", ".join(f"{len(split):,} {name}" for name, split in data.splits.items())
    return [
        "## Data", "", f"- Data set: {_plain(dataset.title)}. {_plain(dataset.summary)}",
        f"- Source: {_plain(dataset.source or 'not stated')}", f"- Licence: {_plain(dataset.licence or 'not stated')}",
        f"- Examples: {splits}", "",
    ]  # fmt: skip


def _training(network: StoredNetwork) -> list[str]:
    config = network.config
    saw = {each.role: each.saw for each in (network.prepared.networks if network.prepared else [])}
    command = " ".join(f"{name}={text}" for name, text in config.differences().items())
    return [
        "## Training", "", f"- This network: {_plain(saw.get(network.role, 'not recorded'))}",
        f"- Teacher: {_plain(_teacher(network))}",
        f"- Method: {_plain(config.method.title)}. {_plain(config.method.summary)}"
        + (f" ({_plain(config.method.paper)})" if config.method.paper else ""),
        f"- Scheme: {_plain(config.scheme.title)}. {_plain(config.scheme.summary)}",
        *([f"- Changed by hand during training: {_plain(network.changes)}"] if network.changes else []),
        f"- Seed: {network.run.seed}"
        + (f"; the verdict is over the seeds {', '.join(map(str, network.seeds))}" if len(network.seeds) > 1 else ""),
        "", "```", f"distillery train {command}", "```", "",
    ]  # fmt: skip


def _teacher(network: StoredNetwork) -> str:
    """Return the architecture of the teacher, what it learned from, and where its weights come from."""
    config = network.config
    text = config.teacher.label()
    if key := teacher_phase(config).learners[0].imported:
        origin = provenance(key)
        text += f", from {origin.in_words().rstrip('.')}" if origin else f", from a file with the digest {key}"
    epochs = config.teacher_recipe.epochs
    return text + (f", trained for {epochs} epochs, seed {config.teacher_recipe.seed}" if epochs else ", not trained")


def _classes_in_words(data: Data) -> str:
    count = len(data.classes)
    if not data.task.has_class_rows:
        return (
            f"It predicts {', '.join(map(_plain, data.classes))} of everything, however unlike the training examples."
        )
    if data.has_answers:
        return f"It answers yes or no to {count} classes, whatever else is there."
    everything = "everything" if data.task.outputs == EXAMPLE else f"each of the {data.task.row_noun}"
    return f"It knows {count} classes, and takes {everything} for one of them."


def _limits(network: StoredNetwork) -> list[str]:
    test = (network.run.test or {}).get(network.role, {})
    lines = [
        _classes_in_words(network.data),
        "The test examples come from the source of the training examples; other data may differ from them.",
    ]
    if "calibration_error" in test:
        lines.append(
            f"Its probabilities are not calibrated: mean gap between confidence and accuracy "
            f"{percent(test['calibration_error'])}."
        )
    if len(network.seeds) < 2:
        lines.append("One seed was trained, which cannot separate a gain from noise.")
    if "balanced_accuracy" in test:
        lines.append(f"The classes differ much in size: its balanced accuracy is {percent(test['balanced_accuracy'])}.")
    return ["## Limits", "", *(f"- {line}" for line in lines), ""]


def _files(
    network: StoredNetwork, names: Sequence[str], parity: Mapping[str, Mapping[str, Any]], notes: Sequence[str]
) -> list[str]:
    lines = []
    decoded = network.data.task.decoded(network.logits[:1])
    for name in names:
        text = CONTENT.get(name) or CONTENT[name[name.rindex(".") :]]
        if decoded and name.endswith(".onnx"):
            text += f", and with {', '.join(f'`{one}`' for one in decoded)} decoded from them"
        lines.append(
            f"- `{name}`: {text}" + (f"; {sentence(dict(parity[name]), network.split)}" if name in parity else "")
        )
    versions = f"Made with Distillery {__version__} and PyTorch {torch.__version__}."
    notes = [*notes, *([network.data.task.output_note] if decoded else [])]
    return ["## Files", "", *lines, *(f"- {_plain(note)}" for note in notes), "", versions]


def _plain(text: str) -> str:
    """Return text of users without what Markdown or HTML would take for markup."""
    text = html.escape(" ".join(str(text).split()), quote=False)
    for character in "\\`*_[]|":
        text = text.replace(character, f"\\{character}")
    return text
