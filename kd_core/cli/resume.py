"""Command ``resume``."""

from __future__ import annotations

from argparse import Namespace

from kd_core.base.process import keep_freed_memory
from kd_core.cli.folder import held_folder
from kd_core.cli.output import EventPrinter, print_problems
from kd_core.cli.sweep import watch_sweep
from kd_core.cli.train import watch_run
from kd_core.store.queries import RunQueries


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
            return watch_sweep(manager, run, arguments)
        if row is None:
            raise ValueError(f"There is no run {run}. “distillery runs” lists those that are stored.")
        prepared = RunQueries(manager.store).prepared(run)
        printer = EventPrinter(row.config, as_json=arguments.json, quiet=arguments.quiet, prepared=prepared)
        count = manager.store.count(run)
        manager.resume_from_checkpoint(run)
        return watch_run(manager, run, printer, count)
