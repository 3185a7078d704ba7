"""Searches on digits with few labels, their time, what pruning saves, and whether their best beats the defaults.

``python -m benchmarks.search`` makes every search twice, the second time without pruning. It needs Optuna.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from unittest.mock import patch

from benchmarks.support.rows import Row, report
from kd_core.base.process import keep_freed_memory
from kd_core.config.run import from_flat
from kd_core.config.sweep.search import plan_search
from kd_core.runs.manager import COMPLETED, RunManager
from kd_core.runs.sweeps import proposals
from kd_core.runs.sweeps.search_results import SearchResults, collect_search
from kd_core.store.records import PRUNED
from kd_core.training.loop import train_all
from tools.testing.waiting import wait_for_end

SETTINGS = {"dataset": "digits", "labelled": "50", "epochs": "60"}
SPACE = {"temperature": "1..16", "alpha": "0.1..0.99", "method": "soft_targets,dkd,logit_mse"}
FIRST_SEEDS = (0, 100, 200, 300)  # of the searches
SEEDS, TRIALS = 3, 30


def measure() -> list[Row]:
    """Measure searches with and without pruning."""
    keep_freed_memory()
    seconds: dict[bool, list[float]] = {True: [], False: []}
    accuracies: dict[bool, list[float]] = {True: [], False: []}
    fractions, validation, defaults = list[float](), list[float](), list[float]()
    for first in FIRST_SEEDS:
        for is_pruned in (True, False):
            results, spent = search(first, is_pruned=is_pruned)
            seconds[is_pruned].append(spent)
            accuracies[is_pruned].append(student_accuracy([run.test for run in results.confirmation]))
            if is_pruned:
                fractions.append(trained_fraction(results))
                validation.append(100 * (results.best.accuracy or 0.0))
        defaults.append(default_accuracy(results))
        print(
            f"seed {first}: best {accuracies[True][-1]:.1f} %, defaults {defaults[-1]:.1f} % on the test set",
            flush=True,
        )
    better = [accuracy - default for accuracy, default in zip(accuracies[True], defaults, strict=True)]
    return [
        Row(f"a search of {TRIALS} trials × {SEEDS} seeds", "s", seconds[True]),
        Row("the same without pruning", "s", seconds[False]),
        Row("epochs trained, of those without pruning", "%", fractions),
        Row("best by validation, on validation", "%", validation),
        Row("the same settings with new seeds, on test", "%", accuracies[True]),
        Row("the best without pruning, likewise", "%", accuracies[False]),
        Row("default settings with these seeds, on test", "%", defaults),
        Row("the best over the defaults, on test", "points", better),
    ]


def search(first: int, *, is_pruned: bool) -> tuple[SearchResults, float]:
    """Return the results of a search whose seeds begin with ``first``, and its seconds of training."""
    base = from_flat(SETTINGS | {"seed": str(first)})
    plan, _ = plan_search(base, SPACE, {}, range(first, first + SEEDS), trials=TRIALS)
    prune = proposals.should_prune if is_pruned else lambda *_: False
    with tempfile.TemporaryDirectory() as folder, patch.object(proposals, "should_prune", prune):
        runs = RunManager(Path(folder))
        name = runs.start_search(plan)
        assert wait_for_end(runs, name, 1200) == COMPLETED
        row = runs.store.sweep(name)
        results = collect_search(runs.store, row)
        runs.close()
        return results, row.seconds


def trained_fraction(results: SearchResults) -> float:
    """Return the epochs that were trained, in per cent of those of all trials."""
    epochs = int(SETTINGS["epochs"])
    return 100 * statistics.fmean(
        trial.cell.epochs[1] / epochs if trial.state == PRUNED else 1.0 for trial in results.trials
    )


def default_accuracy(results: SearchResults) -> float:
    """Return the mean test accuracy of the default settings with the seeds of the confirmation, in per cent."""
    configs = [results.search.base.with_flat(seed=run.seed) for run in results.confirmation]
    return student_accuracy([event.test for _, event in train_all(configs) if event.kind == "finished"])


def student_accuracy(tests: list[dict]) -> float:
    """Return the mean accuracy of the students in per cent."""
    return 100 * statistics.fmean(test["student"]["accuracy"] for test in tests)


if __name__ == "__main__":
    report("search", __doc__, measure)
