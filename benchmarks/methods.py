"""Table of all methods on digits, each against its baseline.

``python -m benchmarks.methods`` takes some twenty minutes of each of two cores; ``... methods dkd dist`` measures
these, and replaces or adds their rows.

A CNN 16×2 trained on all 1,000 labels teaches a CNN 8×2, since not every method can teach a fully connected student.
Two settings: 50 labels, where a teacher has something to give, and all of them with 40 epochs, where it has little.
Seeds 0 to 9, every option at its default. Methods that refuse these networks are left out and named. Prints the table
and writes it into docs/results.md.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from benchmarks.support.cells import gain, spread, train_seeds
from benchmarks.support.results import RESULTS, write_table
from kd_core.base.registry import find_plugin, plugins
from kd_core.config.comparison import TestMetrics
from kd_core.config.run import from_flat
from kd_core.methods import FAMILIES, Method

SETTINGS = {"50 labels": {"labelled": "50"}, "all labels": {"labelled": "0", "epochs": "40"}}
COMMON = {"dataset": "digits", "student": "cnn", "student_width": "8"}
HEADER = [
    "| method | family | " + " | ".join(f"{setting} | gain" for setting in SETTINGS) + " |",
    "|---|---|" + "---:|---|" * len(SETTINGS),
]
ROW = re.compile(r"^\| `(?P<name>\w+)` \| (?P<family>[\w-]+) \| \d.*$", re.MULTILINE)
Results = dict[str, list[TestMetrics]]  # by setting, in the order of the seeds


def run(method: str, setting: str) -> list[TestMetrics]:
    """Return the metrics on the test set by seed."""
    return train_seeds({**COMMON, **SETTINGS[setting], "method": method})


def all_methods() -> list[str]:
    """Return the methods that can teach this student, in the order of the table."""
    names = []
    for name, cls in plugins("methods").items():
        if issubclass(cls, Method) and cls.takes_classes:
            try:
                from_flat({**COMMON, "method": name})
            except ValueError as error:  # it needs other networks or another task
                print(f"left out: {error}", flush=True)
            else:
                names.append(name)
    return sorted(names, key=lambda name: (FAMILIES.index(find_plugin("methods", name).family), name))


def method_row(name: str, results: Results) -> str:
    """Return the accuracy of the student and its gain in both settings as a line of the table."""
    cells = [f"{spread([test['student']['accuracy'] for test in tests])} | {gain(tests)}" for tests in results.values()]
    return f"| `{name}` | {find_plugin('methods', name).family} | {' | '.join(cells)} |"


def baseline_row(results: Results) -> str:
    """Return the accuracy of the baseline in both settings as a line of the table."""
    cells = [spread([test["baseline"]["accuracy"] for test in tests]) for tests in results.values()]
    return f"| no teacher | baseline | {' |  | '.join(cells)} | |"


def measure(names: Iterable[str]) -> dict[str, Results]:
    """Train every method in both settings with all seeds, on all cores."""
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        futures = {name: {setting: pool.submit(run, name, setting) for setting in SETTINGS} for name in names}
        results = {}
        for name, settings in futures.items():
            results[name] = {setting: future.result() for setting, future in settings.items()}
            print(method_row(name, results[name]), flush=True)
        return results


def write_all(results: dict[str, Results], path: Path = RESULTS) -> None:
    """Write the whole table. Every run has trained the same baseline: its row is that of the first method."""
    rows = [method_row(name, tests) for name, tests in results.items()]
    write_table("table", [*HEADER, baseline_row(next(iter(results.values()))), *rows], path)


def replace_rows(results: dict[str, Results], path: Path = RESULTS) -> None:
    """Replace the rows of some methods, or add them, and keep the others."""
    text = path.read_text(encoding="utf-8")
    before = list(ROW.finditer(text))
    rows = {match["name"]: match for match in before}
    rows |= {name: row for name, tests in results.items() if (row := ROW.match(method_row(name, tests)))}
    ordered = sorted(rows.values(), key=lambda row: (FAMILIES.index(row["family"]), row["name"]))
    lines = "\n".join(row[0] for row in ordered)
    path.write_text(text[: before[0].start()] + lines + text[before[-1].end() :], encoding="utf-8")


def main() -> None:
    """Measure all methods, or those named as arguments, and write the table."""
    if names := sys.argv[1:]:
        replace_rows(measure(names))
        return
    write_all(measure(all_methods()))


if __name__ == "__main__":
    main()
