"""Command ``compress``, which prunes a network of a stored run, distils again and quantises."""

from __future__ import annotations

import json
import os
from argparse import Namespace
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kd_core.api.stored import open_store
from kd_core.base.marks import percent
from kd_core.base.options import Options, boolean, choice, number, options_of, text
from kd_core.cli.folder import held_folder
from kd_core.cli.output import EventPrinter, print_problems, table
from kd_core.cli.parser import settings_of
from kd_core.cli.train import watch_run
from kd_core.config.plan import STUDENT
from kd_core.config.run import RunConfig
from kd_core.export.compression import chain
from kd_core.export.compression.chain import Compression
from kd_core.files.archive import format_bytes
from kd_core.models._pruning import CHANNELS, KINDS, MOST
from kd_core.tasks import Task


@dataclass(frozen=True)
class CompressOptions(Options):
    """Settings of the command itself; all others are of the second training."""

    prune: float = number(0.5, 0.0, MOST, "Fraction of the channels or weights to remove.")
    kind: str = choice(CHANNELS, KINDS, "What is removed.")
    role: str = text(STUDENT, 80, "Network of the run.")
    int8: bool = boolean(True, "Quantise at the end.")


def compress(arguments: Namespace) -> int:
    """Run the whole chain on a stored run and print its table."""
    print_problems()
    settings = settings_of(arguments.settings)
    chosen: dict[str, Any] = {name: settings.pop(name) for name in options_of(CompressOptions) if name in settings}
    options = CompressOptions(**chosen)
    store = open_store()
    run = store.run(arguments.run)
    if run is None:
        raise ValueError(f"There is no run {arguments.run}. “distillery runs” lists those that are stored.")

    def train(config: RunConfig) -> str:
        with held_folder("Or compress the run in the app.") as manager, Path(os.devnull).open("w") as nowhere:
            started = manager.start(config)
            printer = EventPrinter(config, as_json=False, quiet=arguments.quiet)
            if arguments.json:
                with redirect_stdout(nowhere):  # the result alone is JSON
                    watch_run(manager, started, printer)
                return started
            print(f"Run {started}: {config.student.label()}", flush=True)
            watch_run(manager, started, printer)
            return started

    compression = chain.compress(
        store, run, train, role=options.role, fraction=options.prune, kind=options.kind, int8=options.int8, **settings
    )
    print(json.dumps(_as_json(compression)) if arguments.json else _in_words(compression, run.config.dataset.task))
    return 0


def _as_json(compression: Compression) -> dict[str, object]:
    names = ("run", "role", "fraction", "kind", "note")
    return {name: getattr(compression, name) for name in names} | {"stages": compression.rows}


def _in_words(compression: Compression, task: Task) -> str:
    header = ("stage", task.score_title, "95 % interval", "agreement", "nonzero", "file", "1 example", "64 examples")
    rows = [
        (
            stage.name, percent(stage.accuracy),
            " to ".join(map(percent, stage.interval)) if task.counts_rows else "", percent(stage.agreement),
            f"{stage.nonzero:,}", format_bytes(stage.size),
            *(f"{1e3 * stage.seconds[batch]:.3g} ms" for batch in ("1", "64")),
        )
        for stage in compression.stages
    ]  # fmt: skip
    return "\n".join(filter(None, [table(header, rows), compression.note]))
