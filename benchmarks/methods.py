"""Benchmark of every method against its baseline, ``python -m benchmarks.methods [names]``, half an hour.

Digits, the default teacher (a CNN 16×2 trained on all 1,000 labels) and a CNN 8×2 as student, since not every method
supports a fully connected one. Two settings: 50 labels, where a teacher helps, and all of them with 40 epochs, where it
helps little. Seeds 0 to 4, every option at its default. Prints the table and puts it into the README.
"""

from __future__ import annotations

import os
import re
import sys
from concurrent.futures import ProcessPoolExecutor

from benchmarks.support.cells import gain, spread
from kd_core.base.events import Finished
from kd_core.base.registry import plugins
from kd_core.config.comparison import DEFAULT_SEEDS, TestMetrics
from kd_core.config.run import from_flat
from kd_core.methods import FAMILIES
from kd_core.training.loop import PhaseCache, Trainer
from tools.docs import README, put

SETTINGS = {"50 labels": {"labelled": "50"}, "all labels": {"labelled": "0", "epochs": "40"}}
COMMON = {"dataset": "digits", "student": "cnn", "student_width": "8"}
_cache: PhaseCache = {}  # one teacher for all runs of a process


def run(method: str, setting: str, seed: int) -> TestMetrics:
    """Train one run and return its test metrics."""
    config = from_flat({**COMMON, **SETTINGS[setting], "method": method, "seed": str(seed)})
    *_, finished = Trainer(config, cache=_cache)
    assert isinstance(finished, Finished)
    assert finished.outcome == "completed", f"{method}, {setting}, seed {seed}: {finished.outcome}"
    return finished.test


def cell(tests: list[TestMetrics]) -> str:
    """Format the student's accuracy over the seeds, and its gain."""
    return f"{spread([test['student']['accuracy'] for test in tests])} | {gain(tests)}"


def baseline(tests: list[TestMetrics]) -> str:
    """Format the baseline's accuracy over the seeds."""
    return f"{spread([test['baseline']['accuracy'] for test in tests])} | "


def main() -> None:
    """Measure all methods, or those named as arguments, print the table and write it into the README."""
    names = sorted(plugins("methods"), key=lambda name: (FAMILIES.index(plugins("methods")[name].family), name))
    text = README.read_text(encoding="utf-8")
    if sys.argv[1:]:
        with ProcessPoolExecutor(os.cpu_count()) as pool:
            for name in sys.argv[1:]:
                rows = {
                    setting: list(
                        pool.map(run, [name] * DEFAULT_SEEDS, [setting] * DEFAULT_SEEDS, range(DEFAULT_SEEDS))
                    )
                    for setting in SETTINGS
                }
                row = f"| `{name}` | {plugins('methods')[name].family} | {' | '.join(map(cell, rows.values()))} |"
                text = re.sub(rf"^\| `{name}` \| [\w-]+ \| \d.*$", lambda _, row=row: row, text, flags=re.MULTILINE)
                print(row, flush=True)
        README.write_text(text, encoding="utf-8")
        return
    lines = [
        "| method | family | " + " | ".join(f"{setting} | gain" for setting in SETTINGS) + " |",
        "|---|---|" + "---:|---|" * len(SETTINGS),
    ]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        futures = {
            (name, setting, seed): pool.submit(run, name, setting, seed)
            for name in names
            for setting in SETTINGS
            for seed in range(DEFAULT_SEEDS)
        }
        for number, name in enumerate(names):
            tests = {
                setting: [futures[name, setting, seed].result() for seed in range(DEFAULT_SEEDS)]
                for setting in SETTINGS
            }
            if not number:
                lines.append("| no teacher | baseline | " + " | ".join(map(baseline, tests.values())) + "|")
                print("\n".join(lines), flush=True)
            cells = " | ".join(map(cell, tests.values()))
            lines.append(f"| `{name}` | {plugins('methods')[name].family} | {cells} |")
            print(lines[-1], flush=True)
    README.write_text(put(README.read_text(encoding="utf-8"), "table", "\n".join(lines)), encoding="utf-8")


if __name__ == "__main__":
    main()
