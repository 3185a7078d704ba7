"""Commands ``fetch`` and ``upload``."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from pathlib import Path

from kd_core.base.registry import find_plugin
from kd_core.cli.output import ProgressLine, print_problems
from kd_core.datasets import Dataset
from kd_core.files import uploads


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
    """Add a file to the data folder as a data set."""
    path = Path(arguments.file)
    try:
        with path.open("rb") as file:
            added = uploads.add(path.name, file, arguments.pixels, arguments.colour)
    except OSError as error:
        print(f"{path}: {error.strerror or error}.", file=sys.stderr)
        return 1
    if arguments.json:
        print(json.dumps({**vars(added), "examples": len(added)}, ensure_ascii=False))
        return 0
    print(f"{added.name}: {len(added):,} {added.kind} of {len(added.classes)} classes.")
    print(f"Train with: distillery train dataset=upload dataset_id={added.id}")
    return 0
