"""Commands ``fetch`` and ``upload``."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from pathlib import Path

from kd_core.base.registry import find_plugin
from kd_core.cli.output import ProgressLine, print_problems, table
from kd_core.cli.parser import settings_of
from kd_core.datasets import Dataset
from kd_core.files import uploads
from kd_core.files.uploads.understanding import LISTED


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
        print(f"Train with: distillery train dataset=upload dataset_id={added.id}")
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
        print(f"Normalisation: {understood.normalisation}")
    for sentence in understood.findings:
        print(sentence)
    for one in understood.left_out[:LISTED]:
        print(f"  {one.reason}")
    if len(understood.left_out) > LISTED:
        print(f"  and {len(understood.left_out) - LISTED:,} more; --json lists all.")
