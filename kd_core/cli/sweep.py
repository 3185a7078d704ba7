"""Commands ``luck`` and ``sweep``, and the display of a sweep."""

from __future__ import annotations

import json
import sys
import time
from argparse import Namespace
from collections.abc import Mapping
from tempfile import TemporaryDirectory

from kd_core.analysis.verdict import signed, verdict
from kd_core.api.batch import seeds_of
from kd_core.api.distillation import merge
from kd_core.api.result import Result
from kd_core.api.search import SearchResult, plan_search_of_settings, stored_search, summarise_search
from kd_core.api.stored import StoredRun, open_manager
from kd_core.api.sweep import SweepResult, is_all, plan_of_settings, summarise
from kd_core.base.events import Event, Finished
from kd_core.base.marks import percent
from kd_core.base.process import keep_freed_memory
from kd_core.base.registry import short_name
from kd_core.cli.folder import choose_cluster, held_folder, report_stopped, stop_or_interrupt
from kd_core.cli.output import ProgressLine, duration, percentages, print_problems, table
from kd_core.cli.parser import settings_of
from kd_core.config.comparison import DEFAULT_SEEDS, TestMetrics
from kd_core.config.run import RunConfig
from kd_core.config.sweep import Sweep, parse_values
from kd_core.config.sweep.search import SEEDS
from kd_core.runs.manager import RunManager
from kd_core.runs.sweeps.search_results import Trial
from kd_core.schemes import comparison_of
from kd_core.store.records import ACTIVE, COMPLETED, STOPPED
from kd_core.training.loop import train_all

POLL_SECONDS = 0.2
SHOWN_TRIALS = 10  # of a search, in its table


def repeat(arguments: Namespace) -> int:
    """Train one configuration with several seeds and print the verdict over all of them."""
    print_problems()
    settings = settings_of(arguments.settings)
    seeds = _seed_count(settings.pop("seeds", None))
    choose_cluster(settings, is_stored=not arguments.ephemeral)
    base = merge(None, settings)
    return _train(Sweep.over_seeds(base, seeds_of(base, seeds)), arguments)


def sweep(arguments: Namespace) -> int:
    """Train every combination of the values of one to three settings and print the map."""
    print_problems()
    settings = settings_of(arguments.settings)
    seeds = _seed_count(settings.pop("seeds", None))
    choose_cluster(settings, is_stored=not arguments.ephemeral)
    values = {name: _values(name, text) for name, text in settings.items()}
    varied = {
        name: list(values[name]) for name, text in settings.items() if len(values[name]) > 1 or is_all(name, text)
    }
    if not varied:
        raise ValueError("Give one to three settings several values, such as temperature=1,2,4, or method=all.")
    fixed = {name: text for name, text in settings.items() if name not in varied}
    plan, left_out = plan_of_settings(None, varied, fixed, seeds)
    for sentence in left_out:
        print(sentence, file=sys.stderr)
    return _train(plan, arguments)


def search(arguments: Namespace) -> int:
    """Search for the best values of some settings, and print its trials and the verdict on the best."""
    print_problems()
    settings = settings_of(arguments.settings)
    names = {"trials": "trials", "trial_patience": "patience"}
    limits = {limit: _count(name, settings.pop(name)) for name, limit in names.items() if name in settings}
    seeds = _count("seeds", settings.pop("seeds", str(SEEDS)))
    choose_cluster(settings, is_stored=not arguments.ephemeral)
    choices = {name: text.split(",") if "," in text else text for name, text in settings.items()}
    plan, left_out = plan_search_of_settings(None, choices, seeds, **limits)
    for sentence in left_out:
        print(sentence, file=sys.stderr)
    keep_freed_memory()
    if arguments.ephemeral:
        with TemporaryDirectory(ignore_cleanup_errors=True) as folder, open_manager(folder) as manager:
            return watch_search(manager, manager.start_search(plan), arguments)
    with held_folder() as manager:
        name = manager.start_search(plan)
        if not arguments.quiet:
            print(f"Search {name}", file=sys.stderr if arguments.json else sys.stdout, flush=True)
        return watch_search(manager, name, arguments)


def watch_search(manager: RunManager, name: str, arguments: Namespace) -> int:
    """Show the trials of a stored search until it is over, then its result; return the exit status.

    Ctrl-C stops the search, which can be resumed; a second Ctrl-C interrupts it at once.
    """
    is_silent, line = arguments.quiet or arguments.json, ProgressLine()
    printed, is_stopping = set[int](), False
    while True:
        try:
            status, results = manager.status(name), stored_search(manager, name)
            for trial in results.trials if not is_silent else ():
                if trial.has_ended and trial.number not in printed:
                    printed.add(trial.number)
                    line.end()
                    print(f"{trial.number + 1:3}. {_trial_text(trial)}", flush=True)
            if status is None or not status.is_active:
                break
            if status.total and not is_silent:
                left = f", {duration(status.remaining)} left" if status.remaining else ""
                line.show(f"{status.done / status.total:4.0%}{left}", is_final=False)
            time.sleep(POLL_SECONDS)
        except KeyboardInterrupt:
            stop_or_interrupt(manager, name, is_stopping=is_stopping)
            is_stopping = True
    line.end()
    if status is not None and status.state == STOPPED:
        return report_stopped(name)
    if status is None or status.state != COMPLETED:
        print((status and status.notice) or results.reason or f"The search {name} failed.", file=sys.stderr)
        return 1
    print_search(results.search.base, summarise_search(manager.store, results), as_json=arguments.json)
    return 0


def print_search(base: RunConfig, result: SearchResult, *, as_json: bool) -> None:
    """Print the best trials of a search, why it ended, and the verdict on the best of them."""
    if as_json:
        print(json.dumps(search_as_json(result), ensure_ascii=False))
        return
    ended = [trial for trial in result.trials if trial.accuracy is not None and trial.state == COMPLETED]
    best = sorted(ended, key=lambda trial: trial.accuracy or 0.0, reverse=True)[:SHOWN_TRIALS]
    names = list(dict.fromkeys(name for trial in best for name in trial.values))
    rows = [
        [
            str(trial.number),
            *(short_name(trial.values.get(name, "")) for name in names),
            percent(trial.accuracy or 0.0),
            "" if trial.gain is None else signed(trial.gain),
        ]
        for trial in best
    ]
    if rows:
        print(table(["trial", *names, _score(base), "gain in points"], rows))
    print(result.reason)
    if result.confirmed:
        print("The best by validation, trained again with seeds that no trial had:")
        print(result.verdict.sentence)


def search_as_json(result: SearchResult) -> dict[str, object]:
    """Return the trials of a search, the best one and the verdict as plain values."""
    trials = [
        {"trial": one.number, "values": dict(one.values), "state": one.state, "validation_accuracy": one.accuracy,
         "gain": one.gain}
        for one in result.trials
    ]  # fmt: skip
    return {
        "trials": trials,
        "best": None if result.best is None else result.best.number,
        "reason": result.reason,
        "confirmed": [{"id": run.id, "seed": run.config.seed, "outcome": run.outcome} for run in result.confirmed],
        "verdict": vars(result.verdict) if result.confirmed else None,
    }


def _trial_text(trial: Trial) -> str:
    values = ", ".join(f"{name}={short_name(value)}" for name, value in trial.values.items())
    accuracy = "" if trial.accuracy is None or trial.state == "failed" else f" at {percent(trial.accuracy)}"
    return f"{values}: {trial.state}{accuracy}"


def _values(name: str, text: str) -> tuple[str, ...]:
    """Return the values of a setting. Raises ValueError, which names the setting."""
    try:
        return parse_values(text)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def watch_sweep(manager: RunManager, sweep_id: str, arguments: Namespace) -> int:
    """Show how far a stored sweep is until it is over, then its result; return the exit status.

    Ctrl-C stops the sweep, which can be resumed; a second Ctrl-C interrupts it at once.
    """
    row = manager.store.sweep(sweep_id)
    assert row is not None
    printer = _RunPrinter(row.sweep, arguments)
    printed = {run.id for run in manager.store.members(sweep_id) if run.state not in ACTIVE}
    is_stopping = False
    while True:
        try:
            status = manager.status(sweep_id)
            for number, run in enumerate(manager.store.members(sweep_id)):
                if run.state not in ACTIVE and run.id not in printed:
                    printed.add(run.id)
                    printer.print(number, run.state, run.test)
            if status is None or not status.is_active:
                break
            if status.total:
                printer.show_progress(status.done / status.total, status.remaining)
            time.sleep(POLL_SECONDS)
        except KeyboardInterrupt:
            stop_or_interrupt(manager, sweep_id, is_stopping=is_stopping)
            is_stopping = True
    printer.end()
    if status is not None and status.state == STOPPED:
        return report_stopped(sweep_id)
    if status is None or status.state != COMPLETED:
        print((status and status.notice) or f"The sweep {sweep_id} failed.", file=sys.stderr)
        return 1
    results = [StoredRun(manager.store, run) for run in manager.store.members(sweep_id)]
    return _print_result(row.sweep, results, arguments)


def _score(base: RunConfig) -> str:
    return f"validation {base.dataset.task.validation_score_title}"


def print_cells(base: RunConfig, result: SweepResult) -> None:
    """Print the cells of a sweep of a configuration as a table, the best one marked."""
    names = list(result.cells[0].values)
    rows = [
        [
            *map(short_name, cell.values.values()),
            "" if cell.accuracy is None else percent(cell.accuracy),
            "" if cell.gain is None else signed(cell.gain),
            "" if cell.interval is None else " to ".join(signed(limit) for limit in cell.interval),
            "" if cell.p_value is None else f"{cell.p_value:.2g}",
            "best" if cell is result.best else "",
        ]
        for cell in result.cells
    ]
    print(table([*names, _score(base), "gain in points", "95 % interval", "p", ""], rows))
    if len(rows) > 1 and any(cell.p_value is not None for cell in result.cells):
        print(f"Intervals and p-values are corrected for {len(rows)} comparisons (Holm).")
    if result.best is not None:
        print("The best by validation, confirmed on the test set once:")


def sweep_as_json(result: SweepResult) -> dict[str, object]:
    """Return the cells of a sweep and the best one as plain values."""
    cells = [
        {
            "values": cell.values,
            "validation_accuracy": cell.accuracy,
            "gain": cell.gain,
            "interval": cell.interval,
            "p_value": cell.p_value,
            "runs": [{"id": run.id, "seed": run.config.seed, "outcome": run.outcome} for run in cell.results],
        }
        for cell in result.cells
    ]
    return {"cells": cells, "best": None if result.best is None else result.best.values}


class _RunPrinter:
    """Prints a line for each finished run of a sweep, and the progress between them."""

    def __init__(self, plan: Sweep, arguments: Namespace) -> None:
        self.plan, self.is_silent = plan, arguments.quiet or arguments.json
        self._line = ProgressLine()

    def print(self, number: int, state: str, test: TestMetrics | None) -> None:
        """Print how run ``number`` of the sweep ended."""
        if self.is_silent:
            return
        cell, seed = divmod(number, len(self.plan.seeds))
        values = [f"{name}={short_name(value)}" for name, value in self.plan.cells[cell].items()]
        name = ", ".join([*values, f"seed {self.plan.seeds[seed]}"])
        # What a sweep varies is chosen by validation: the accuracies on the test set would invite another choice.
        is_shown = state == COMPLETED and test and not values
        text = f"test accuracy {percentages(_accuracies(test))}" if is_shown and test else state
        self._line.end()
        print(f"{name}: {text}", flush=True)

    def show_progress(self, fraction: float, remaining: float) -> None:
        """Show the fraction of the steps done and the seconds left."""
        if not self.is_silent:
            left = f", {duration(remaining)} left" if remaining else ""
            self._line.show(f"{fraction:4.0%}{left}", is_final=False)

    def end(self) -> None:
        """Go on below the line of progress."""
        self._line.end()


def _train(plan: Sweep, arguments: Namespace) -> int:
    keep_freed_memory()
    if not arguments.ephemeral:
        with held_folder() as manager:
            sweep_id = manager.start_sweep(plan)
            if not arguments.quiet:
                print(f"Sweep {sweep_id}", file=sys.stderr if arguments.json else sys.stdout, flush=True)
            return watch_sweep(manager, sweep_id, arguments)
    configs, printer = plan.configs(), _RunPrinter(plan, arguments)
    events: list[list[Event]] = [[] for _ in configs]
    for number, event in train_all(configs):
        events[number].append(event)
        if isinstance(event, Finished):
            printer.print(number, event.outcome, event.test)
    results = [Result(config, events[number], {}) for number, config in enumerate(configs)]
    return _print_result(plan, results, arguments)


def _print_result(plan: Sweep, results: list[Result] | list[StoredRun], arguments: Namespace) -> int:
    for result in results:
        if result.outcome == "failed":
            print(f"seed {result.config.seed}: {result.error}", file=sys.stderr)
    has_failed = any(result.outcome == "failed" for result in results)
    if not plan.axes:
        if not has_failed:
            _print_verdict(plan.base, results, as_json=arguments.json)
        return int(has_failed)
    summary = summarise(plan, results)
    if arguments.json:
        print(json.dumps(sweep_as_json(summary), ensure_ascii=False))
    else:
        print_cells(plan.base, summary)
        if summary.best is not None:
            print(summary.best.verdict.sentence)
    return int(has_failed)


def _print_verdict(base: RunConfig, results: list[Result] | list[StoredRun], *, as_json: bool) -> None:
    tests = {result.config.seed: result.test for result in results}
    judged = verdict(list(tests.values()), comparison_of(base))
    body = {"verdict": vars(judged), "tests": tests}
    print(json.dumps(body, ensure_ascii=False) if as_json else judged.sentence, flush=True)


def _accuracies(test: TestMetrics) -> Mapping[str, float]:
    return {role: metrics["accuracy"] for role, metrics in test.items()}


def _seed_count(text: str | None) -> int:
    return DEFAULT_SEEDS if text is None else _count("seeds", text)


def _count(name: str, text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f'{name} = "{text}": choose a whole number from 1 on.')
    return int(text)
