"""Rows of the table of runs. A row stands for one run, for the seeds of one configuration, or for a sweep."""

from __future__ import annotations

import datetime
import statistics
from typing import Any

from kd_core.runs import manager
from kd_core.store.queries import RunGroup
from kd_core.store.store import Run, SweepRow
from pages.ui.widgets.text.summaries import describe_sweep, method_summary


def is_sweep(group: RunGroup) -> bool:
    """Whether a row stands for a sweep, which is opened instead of compared."""
    return group.size > 1 and bool(group.sweep)


def representative(group: RunGroup) -> Run:
    """Return the run that is compared for a row, the first one that counts in the verdict over its seeds."""
    is_counted = group.run.state == manager.COMPLETED and not manager.get_manager().store.was_adjusted(group.run.id)
    if group.size == 1 or is_counted:
        return group.run
    counted = [run for run in _seeds(group) if run.state == manager.COMPLETED]
    return max(counted, key=lambda run: run.created, default=group.run)


def _seeds(group: RunGroup) -> list[Run]:
    return manager.get_manager().store.siblings(group.run.family)


def group_row(group: RunGroup, letters: str) -> dict[str, Any]:
    """Return a row of plain values."""
    if is_sweep(group):
        return _sweep_row(group, letters)
    return _seeds_row(group, letters) if group.size > 1 else table_row(group.run, letters)


def table_row(row: Run, letter: str) -> dict[str, Any]:
    """Return a run as one row of plain values."""
    config, test = row.available_config, row.test or {}
    student, baseline = (test.get(role, {}).get("accuracy") for role in ("student", "baseline"))
    gain = None if student is None or baseline is None or row.state == manager.FAILED else 100 * (student - baseline)
    by_hand = ", by hand" * manager.get_manager().store.was_adjusted(row.id)
    return {
        "letter": letter,
        "pinned": "yes" if row.annotations.is_pinned else "",
        "name": row.annotations.name,
        "data": config.dataset.title if config else "?",
        "method": method_summary(config.method) if config else "?",
        "seed": str(row.seed),
        "student %": None if student is None else 100 * student,
        "baseline %": None if baseline is None else 100 * baseline,
        "gain": None if gain is None else round(gain, 1),
        "state": f"{row.state}{by_hand}",
        "when": datetime.datetime.fromtimestamp(row.created).strftime("%d %b %Y, %H:%M"),
        "student": config.student.label() if config else "?",
        "teacher": config.teacher.label() if config else "?",
        "distillation scheme": config.scheme.title if config else "?",
        "seconds": row.seconds,
        "tags": ", ".join(row.annotations.tags),
        "run": row.id,
    }


def _seeds_row(group: RunGroup, letters: str) -> dict[str, Any]:
    """Return runs that differ in their seed alone as one row, with the means of those that count."""
    counted = [run for run in _seeds(group) if run.state == manager.COMPLETED and run.test]
    rows = [table_row(run, "") for run in counted]
    means = {
        name: _mean([row[name] for row in rows if row[name] is not None])
        for name in ("student %", "baseline %", "gain")
    }
    return {
        **table_row(group.run, letters), **means, "seconds": None,
        "seed": "1 seed" if len(counted) == 1 else f"{len(counted)} seeds",
        "state": f"{len(counted)} of {group.size} count" if len(counted) < group.size else manager.COMPLETED,
    }  # fmt: skip


def _sweep_row(group: RunGroup, letters: str) -> dict[str, Any]:
    """Return a sweep as one row of plain values; test results belong to its runs alone."""
    sweep = manager.get_manager().store.sweep(group.sweep)
    if sweep is None:
        return table_row(group.run, letters)
    numbers = dict.fromkeys(("student %", "baseline %", "gain"))
    name = sweep.annotations.name or f"{'Search' if sweep.is_search else 'Sweep'}: {sweep_title(sweep)}"
    return {
        **table_row(group.run, letters), **numbers, "name": f"{name} ({group.size:,} runs)",
        "seed": f"{len(sweep.plan.seeds)} seeds" if sweep.is_readable else "",
        "tags": ", ".join(sweep.annotations.tags), "state": sweep.state, "seconds": sweep.seconds, "run": sweep.id,
    }  # fmt: skip


def _mean(values: list[float]) -> float | None:
    return statistics.fmean(values) if values else None


def sweep_title(row: SweepRow) -> str:
    """Return a sweep in words, or its id where this installation does not have what it needs."""
    try:
        return describe_sweep(row)
    except ValueError:
        return row.id
