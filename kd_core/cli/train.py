"""Command ``train``, and the display of one run."""

from __future__ import annotations

import sys
import time
from argparse import Namespace
from collections.abc import Iterator

from kd_core.api.distillation import merge
from kd_core.api.stored import POLL_SECONDS
from kd_core.base.events import Event
from kd_core.base.process import keep_freed_memory
from kd_core.cli.folder import held_folder, report_stopped, stop_or_interrupt
from kd_core.cli.output import EventPrinter, print_problems
from kd_core.cli.parser import settings_of
from kd_core.config.run import RunConfig
from kd_core.runs.control import CHUNK_SECONDS
from kd_core.runs.manager import RunManager
from kd_core.store.records import STOPPED
from kd_core.training.loop import Trainer


def train(arguments: Namespace) -> int:
    """Train one run and print its verdict."""
    print_problems()
    return train_config(merge(None, settings_of(arguments.settings)), arguments)


def train_config(config: RunConfig, arguments: Namespace) -> int:
    """Train a configuration as ``--ephemeral``, ``--json`` and ``--quiet`` say; return the exit status."""
    keep_freed_memory()
    printer = EventPrinter(config, as_json=arguments.json, quiet=arguments.quiet)
    if not arguments.ephemeral:
        with held_folder() as manager:
            run = manager.start(config)
            if not arguments.quiet:
                print(f"Run {run}", file=sys.stderr if arguments.json else sys.stdout, flush=True)
            return watch_run(manager, run, printer)
    trainer = Trainer(config)
    trainer.chunk_seconds = CHUNK_SECONDS
    for event in trainer:
        printer.print(event)
    return int(printer.outcome == "failed")


def watch_run(manager: RunManager, run: str, printer: EventPrinter, after: int = 0) -> int:
    """Print the events of a run that follow number ``after``, until it is over; return the exit status.

    Ctrl-C stops the run, which keeps what was learned; a second Ctrl-C interrupts it at once.
    """
    is_stopping = False
    while True:
        try:
            for number, event in _stored_events(manager, run, after):
                after = number
                printer.print(event)
            break
        except KeyboardInterrupt:
            stop_or_interrupt(manager, run, is_stopping=is_stopping)
            is_stopping = True
    status = manager.status(run)
    if status is not None and status.state == STOPPED:
        return report_stopped(run)
    if not printer.outcome:  # something around the run went wrong, not a loss
        print((status and status.notice) or f"The run {run} failed.", file=sys.stderr)
    return int(printer.outcome != "completed")


def _stored_events(manager: RunManager, run: str, after: int) -> Iterator[tuple[int, Event]]:
    while True:
        status = manager.status(run)
        for number, event in manager.store.iter_events(run, after):
            after = number
            yield number, event
        if status is None or not status.is_active:
            return
        time.sleep(POLL_SECONDS)
