"""Commands ``fetch``, ``upload`` and ``teacher``."""

from __future__ import annotations

import dataclasses
import json
import shlex
import sys
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kd_core.api.teachers import Teacher
from kd_core.api.teachers.checks import Advice
from kd_core.api.teachers.reader import read_teacher
from kd_core.base.marks import percent
from kd_core.base.options import as_text, default_of, options_of, parse_options
from kd_core.base.registry import find_plugin
from kd_core.cli.output import ProgressLine, print_problems, table
from kd_core.cli.parser import settings_of
from kd_core.config.run import DEFAULTS
from kd_core.datasets import Dataset
from kd_core.files import uploads
from kd_core.files.uploads.understanding import LISTED
from kd_core.models import Model


def fetch(arguments: Namespace) -> int:
    """Download several data sets one after the other; none is begun if a name is wrong."""
    print_problems()
    datasets = [find_plugin("datasets", name, "fetch")() for name in arguments.names]
    for dataset in datasets:
        assert isinstance(dataset, Dataset)
        if dataset.is_available():
            print(f"{dataset.title} is on this machine already.")
            continue
        line = ProgressLine()
        try:
            dataset.download((lambda *_: None) if arguments.quiet else line.download)
        except ValueError as error:
            line.end()
            print(f"{dataset.name}: {error}", file=sys.stderr)
            return 1
        line.end()
        print(f"{dataset.title} is on this machine now. Licence: {dataset.licence}.", flush=True)
    return 0


def upload(arguments: Namespace) -> int:
    """Say what a file or a folder holds, and add it to the data folder as a data set."""
    path = Path(arguments.file)
    choices = uploads.Choices.from_texts(settings_of(arguments.settings), leave_out=arguments.leave_out)
    try:
        if path.is_dir():
            understood = uploads.inspect(path.resolve().name, path, choices)
        else:
            with path.open("rb") as file:
                understood = uploads.inspect(path.name, file, choices)
    except OSError as error:
        print(f"{path}: {error.strerror or error}.", file=sys.stderr)
        return 1
    result = understood.as_dict()
    if arguments.json and (arguments.dry_run or understood.obstacle):
        print(json.dumps(result, ensure_ascii=False))
    elif not arguments.json:
        _print_understanding(understood)
    if understood.obstacle:
        hint = " Add --leave-out for that." if understood.left_out else ""
        print(f"{path.name}: {understood.obstacle}{hint}", file=sys.stderr)
        return 2
    if arguments.dry_run:
        return 0
    added = uploads.keep(understood)
    if arguments.json:
        print(json.dumps({"id": added.id, "examples": len(added), **result}, ensure_ascii=False))
    else:
        print(f"Train with: distillery train dataset={added.dataset} dataset_id={added.id}")
    return 0


def _print_understanding(understood: uploads.Understanding) -> None:
    """Print what a file holds, one fact on each line."""
    print(f"{understood.name}: {understood.headline}")
    if understood.columns:
        print(f"Label: {', '.join(understood.label)}.")
    if ignored := [f"{one.name} ({one.detail})" for one in understood.columns if one.role == "ignored"]:
        print(f"Ignored: {', '.join(ignored)}.")
    if understood.classes:
        rows = [
            [name, *(f"{counts[number]:,}" for counts in understood.counts.values())]
            for number, name in enumerate(understood.classes)
        ]
        print(table(["class", *understood.counts], rows))
    if understood.normalisation:
        print(f"Normalisation: {understood.normalisation}")
    for sentence in understood.findings:
        print(sentence)
    for one in understood.left_out[:LISTED]:
        print(f"  {one.reason}")
    if len(understood.left_out) > LISTED:
        print(f"  and {len(understood.left_out) - LISTED:,} more; --json lists all.")


def add_teacher(arguments: Namespace) -> int:
    """Read and measure a teacher, store it, and print the settings with which it teaches."""
    print_problems()
    settings = settings_of(arguments.settings)
    dataset = _plugin("datasets", "dataset", settings)
    model = _plugin("models", "teacher", settings) if "teacher" in settings else None
    assert isinstance(dataset, Dataset)
    assert model is None or isinstance(model, Model)
    conventions = {name: settings.pop(name, None) for name in ("normalisation", "classes", "order")}
    if settings:
        raise ValueError(
            f"{next(iter(settings))}: there is no such setting here; choose from dataset, teacher, their options, "
            "normalisation, classes, order."
        )
    names, numbers = (text.split(",") if (text := conventions[name]) else None for name in ("classes", "order"))
    if numbers and not all(number.strip().isdecimal() for number in numbers):
        raise ValueError(f"order = {conventions['order']}: write numbers with commas between them, such as 1,0,2.")
    candidate = read_teacher(arguments.file, None, dataset, model).with_conventions(
        conventions["normalisation"], names, [int(number) for number in numbers] if numbers else None
    )
    measured, advice = candidate.measure(), candidate.advice()
    teacher = None if arguments.dry_run else Teacher.keep(candidate, measured)
    chosen = _differing(dataset) | (_short(teacher.settings, dataset) if teacher is not None else {})
    if arguments.json:
        body: dict[str, Any] = {
            "file": candidate.name, "sha256": candidate.digest, "kind": candidate.kind, "network": candidate.network,
            "classes": list(candidate.data.classes), "order": list(candidate.order),
            "normalisation": candidate.normalisation, "measured": dataclasses.asdict(measured),
            "advice": [dataclasses.asdict(one) for one in advice], "id": teacher.id if teacher is not None else None,
            "settings": chosen if teacher is not None else None,
        }  # fmt: skip
        print(json.dumps(body, ensure_ascii=False))
        return 0
    print(f"{candidate.name}: {candidate.network}, normalisation {candidate.normalisation}.")
    print(
        f"Accuracy {percent(measured.accuracy)} ({percent(measured.low)} to {percent(measured.high)}) on "
        f"{measured.examples:,} {measured.split} examples; chance is {percent(measured.chance)}."
    )
    if measured.is_chance:
        print("That is no better than chance.")
    for one in advice[:2]:
        print(one.in_words(candidate.data.classes) + f" Try {shlex.join(_as_arguments(one))}")
    if teacher is not None:
        print(f"Train with: distillery train {shlex.join(f'{name}={value}' for name, value in chosen.items())}")
    return 0


def _as_arguments(advice: Advice) -> list[str]:
    order = ",".join(map(str, advice.order))
    return [f"{name}={value}" for name, value in (("normalisation", advice.normalisation), ("order", order)) if value]


def _plugin(group: str, name: str, settings: dict[str, str]) -> Any:
    """Take a plug-in and its options out of the settings. Raises ValueError."""
    cls = find_plugin(group, settings.pop(name, DEFAULTS[name]), name)
    values, errors = parse_options(cls, settings, f"{name}_")
    if errors:
        raise ValueError("\n".join(errors))
    for option in options_of(cls):
        settings.pop(f"{name}_{option}", None)
    return cls(**values)


def _differing(dataset: Dataset) -> dict[str, str]:
    """Return a data set as settings, without defaults."""
    values = dataset.values().items()
    texts = {f"dataset_{name}": as_text(value) for name, value in values if value != default_of(type(dataset), name)}
    return {"dataset": dataset.name} | texts


def _short(settings: Mapping[str, str], dataset: Dataset) -> dict[str, str]:
    """Return the settings of a teacher without those that are the defaults of its network."""
    cls = find_plugin("models", settings["teacher"])
    defaults = {f"teacher_{option}": as_text(default_of(cls, option)) for option in options_of(cls)}
    for name in dataset.recommended_settings():  # recommended values take the place of defaults
        defaults.pop(name, None)
    return {name: text for name, text in settings.items() if defaults.get(name) != text}
