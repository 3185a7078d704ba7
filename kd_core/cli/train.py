"""Commands ``train`` and ``resume``, and the display of one run."""

from __future__ import annotations

import os
import sys
import time
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

from kd_core.api.distillation import merge
from kd_core.api.stored import POLL_SECONDS
from kd_core.base.events import Event
from kd_core.base.process import keep_freed_memory
from kd_core.cli.folder import choose_cluster, held_folder, report_stopped, stop_or_interrupt
from kd_core.cli.output import EventPrinter, print_problems
from kd_core.cli.parser import settings_of
from kd_core.cli.sweep import watch_search, watch_sweep
from kd_core.config.run import RunConfig
from kd_core.datasets import load
from kd_core.export.code import notebook, script
from kd_core.export.trackers.export import open_feed, tracker_class
from kd_core.export.trackers.tracker import TrackerFeed
from kd_core.runs.control import CHUNK_SECONDS
from kd_core.runs.manager import RunManager
from kd_core.store.queries import RunQueries
from kd_core.store.records import STOPPED
from kd_core.training.loop import Trainer


def train(arguments: Namespace) -> int:
    """Train one run and print its verdict."""
    print_problems()
    settings = settings_of(arguments.settings)
    tracker = settings.pop("track", os.environ.get("DISTILLERY_TRACK", ""))
    folder = settings.pop("track_folder", "")
    choose_cluster(settings, is_stored=not arguments.ephemeral)
    return train_config(merge(None, settings), arguments, tracker, folder)


def code(arguments: Namespace) -> int:
    """Print a run as a script or a notebook of plain PyTorch."""
    print_problems()
    config = merge(None, settings_of(arguments.settings))
    print(notebook(config).decode() if arguments.notebook else script(config), end="")
    return 0


def train_config(config: RunConfig, arguments: Namespace, tracker: str = "", tracker_folder: str = "") -> int:
    """Train a configuration as ``--ephemeral``, ``--json`` and ``--quiet`` say; return the exit status.

    A stored run is also written into the folder of a ``tracker`` while it trains, by default in the data folder.
    """
    if tracker:
        tracker_class(tracker)  # refused before the run starts
        if arguments.ephemeral:
            raise ValueError(f"track = {tracker}: a tracker reads the stored events: leave out --ephemeral.")
    keep_freed_memory()
    for note in load(config.dataset).notes:
        print(note, file=sys.stderr)
    printer = EventPrinter(config, as_json=arguments.json, quiet=arguments.quiet)
    if not arguments.ephemeral:
        with held_folder() as manager:
            run = manager.start(config)
            if not arguments.quiet:
                print(f"Run {run}", file=sys.stderr if arguments.json else sys.stdout, flush=True)
            if not tracker:
                return watch_run(manager, run, printer)
            folder = Path(tracker_folder) if tracker_folder else manager.folder / "trackers" / tracker
            feed = open_feed(tracker, config, run, folder)
            status = watch_run(manager, run, printer, feed=feed)
            if feed.error:
                print(f"The tracker failed, the run did not: {feed.error}.", file=sys.stderr)
            elif (row := manager.store.run(run)) is not None:
                feed.finish(manager.store, row)
            return status
    trainer = Trainer(config)
    trainer.chunk_seconds = CHUNK_SECONDS
    for event in trainer:
        printer.print(event)
    return int(printer.outcome == "failed")


def watch_run(
    manager: RunManager, run: str, printer: EventPrinter, after: int = 0, feed: TrackerFeed | None = None
) -> int:
    """Print the events of a run that follow number ``after``, until it is over; return the exit status.

    They are also written to the ``feed`` of a tracker. Ctrl-C stops the run, which keeps what was learned; a second
    Ctrl-C interrupts it at once.
    """
    is_stopping = False
    while True:
        try:
            for number, event in _stored_events(manager, run, after):
                after = number
                printer.print(event)
                if feed is not None:
                    feed.follow(event)
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


def resume(arguments: Namespace) -> int:
    """Continue a run or sweep from its last checkpoint."""
    print_problems()
    keep_freed_memory()
    run = arguments.run
    with held_folder("Or continue the run in the app.") as manager:
        row, sweep = manager.store.run(run), manager.store.sweep(run)
        if row is not None and row.sweep:
            raise ValueError(f"The run {run} is part of a sweep. Continue that: distillery resume {row.sweep}")
        if sweep is not None:
            manager.resume_from_checkpoint(run)
            return (watch_search if sweep.is_search else watch_sweep)(manager, run, arguments)
        if row is None:
            raise ValueError(f"There is no run {run}. “distillery runs” lists those that are stored.")
        prepared = RunQueries(manager.store).prepared(run)
        printer = EventPrinter(row.config, as_json=arguments.json, quiet=arguments.quiet, prepared=prepared)
        count = manager.store.count(run)
        manager.resume_from_checkpoint(run)
        return watch_run(manager, run, printer, count)
