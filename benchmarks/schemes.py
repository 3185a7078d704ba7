"""Table of all distillation schemes on digits, each against its control.

``python -m benchmarks.schemes`` takes less than ten minutes of each of two cores.

Digits with the settings that each scheme suggests (50 labels where it suggests none), every other option at its
default, seeds 0 to 9. A row compares two networks of the same runs on the test set. Where several networks were trained
for the answer, a second control is one network alone with as many steps as all of them. Prints the table and writes it
into docs/results.md.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field

from benchmarks.support.cells import gain, spread, train_seeds
from benchmarks.support.results import write_table
from kd_core.base.options import as_text
from kd_core.base.registry import find_plugin
from kd_core.config.comparison import Comparison, TestMetrics
from kd_core.config.plan import dependencies, steps_per_epoch
from kd_core.config.run import from_flat
from kd_core.datasets import load
from kd_core.schemes import plan_of


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    scheme: str
    title: str
    settings: dict[str, str] = field(default_factory=dict)
    comparison: Comparison | None = None  # by default that of the scheme
    is_costly: bool = False  # whether several networks were trained for the answer


ALL = {"labelled": "0"}
CORRECTED = Comparison("corrected student", "corrected baseline")
UNCORRECTED = Comparison(measure="omitted")
ROWS = (
    Row("offline", "a trained teacher"),
    Row("offline", "through one assistant", {"assistants": "1"}),
    Row("dense_assistants", "through two assistants, each taught by all larger"),
    Row("offline", "then 60 epochs on the labels alone", {"fine_tune": "60"}),
    Row("missing_class", "8 never seen: recall of 8", {"omitted": "8"}),
    Row("missing_class", "8 never seen: recall, not corrected", {"omitted": "8"}, UNCORRECTED),
    Row("missing_class", "8 never seen: all digits", {"omitted": "8"}, CORRECTED),
    Row("missing_class", "3 never seen: recall of 3", {"omitted": "3"}),
    Row("missing_class", "3 never seen: recall, not corrected", {"omitted": "3"}, UNCORRECTED),
    Row("missing_class", "3 never seen: all digits", {"omitted": "3"}, CORRECTED),
    Row("unlabelled", "30 labels, 970 images without"),
    Row("unlabelled", "the same, two noisy rounds", {"rounds": "2", "noise": "0.3"}),
    Row("mean_teacher", "50 labels, 950 images without"),
    Row("foundation", "features of a CNN 16×2"),
    Row("data_free", "images formed from the teacher, against noise"),
    Row("data_free", "the same, against the real images", {}, Comparison("student", "student with data")),
    Row("merge", "0–4 and 5–9, against all labels"),
    Row("merge", "0–4 and 5–9, against the joined teachers", {}, Comparison("student", "teacher")),
    Row("merge", "the same, not calibrated", {"calibrated": "false"}, Comparison("student", "teacher")),
    Row("defective", "teacher stopped at 50 %"),
    Row("defective", "teacher stopped at 80 %", {"accuracy": "0.8"}),
    Row("defective", "teacher stopped at 50 %, all labels", {**ALL}),
    Row("reversed", "MLP 64 teaches CNN 16×2"),
    Row("reversed", "MLP 64 teaches CNN 16×2, all labels", {**ALL, "epochs": "30"}),
    Row("mutual", "two MLP 64", is_costly=True),
    Row("mutual", "their average", {}, Comparison("average", "baseline"), True),
    Row("rocket", "CNN 8×2 under a CNN 16×2"),
    Row("self_taught", "MLP 64 teaches MLP 64", is_costly=True),
    Row("born_again", "third generation", is_costly=True),
    Row("born_again", "average of three", {}, Comparison("ensemble", "baseline"), True),
    Row("snapshot", "three cycles"),
    Row("own_teacher", "CNN 16×3, deepest exit"),
    Row("own_teacher", "CNN 16×3, first exit", {}, Comparison("exit 1", "baseline")),
    Row("self_attention", "CNN 8×3"),
    Row("teacher_free", "virtual teacher"),
    Row("teacher_free", "smoothed labels", {}, Comparison("smoothed", "baseline")),
    Row("teacher_free", "a real teacher", {}, Comparison("student", "baseline")),
    Row("ensemble", "student of three teachers", is_costly=True),
    Row("ensemble", "the student’s student", {}, Comparison("student’s student", "baseline"), True),
)


Settings = tuple[tuple[str, str], ...]


def run(scheme: str, settings: Settings) -> list[TestMetrics]:
    """Return the metrics on the test set by seed."""
    return train_seeds({"dataset": "digits", "scheme": scheme, **dict(settings)})


def comparison_of(row: Row) -> Comparison:
    """Return the comparison of a row, which is the scheme's own where the row has none."""
    return row.comparison or find_plugin("schemes", row.scheme).comparison  # type: ignore[attr-defined]


def settings_of_one_network(row: Row) -> Settings:
    """Return the settings of a network alone that makes all steps of the networks behind the answer of a row."""
    config = from_flat({"dataset": "digits", "scheme": row.scheme, **row.settings})
    phases, data, comparison = plan_of(config), load(config.dataset), comparison_of(row)
    steps = {comparison.role: 0, comparison.control: 0}
    for role in steps:
        roles = dependencies(phases, role)
        for phase in phases:
            count = sum(learner.role in roles for learner in phase.learners)
            steps[role] += count * phase.recipe.epochs * steps_per_epoch(phase, data)
    epochs = round(config.recipe.epochs * steps[comparison.role] / steps[comparison.control])
    labels = ((name, as_text(value)) for name, value in config.labels.values().items())
    return (*labels, ("epochs", str(epochs)), ("method", "label_smoothing"), ("smoothing", "0"))


def table_row(row: Row, tests: Sequence[TestMetrics], alone: Sequence[TestMetrics] = ()) -> str:
    """Return a line of the table from the metrics of all seeds. ``alone`` has those of the second control."""
    comparison = comparison_of(row)
    role, control = (
        spread([test[name][comparison.measure] for test in tests]) for name in (comparison.role, comparison.control)
    )
    with_all_steps = ""
    if alone:
        pairs = [
            {comparison.role: test[comparison.role], "alone": other["baseline"]}
            for test, other in zip(tests, alone, strict=True)
        ]
        accuracies = spread([other["baseline"]["accuracy"] for other in alone])
        with_all_steps = f"{accuracies}: {gain(pairs, Comparison(comparison.role, 'alone'))}"
    return f"| `{row.scheme}` | {row.title} | {role} | {control} | {gain(tests, comparison)} | {with_all_steps} |"


def main() -> None:
    """Measure all rows and write the table."""
    lines = [
        "| scheme | what is compared | network | control | gain | control with all steps |",
        "|---|---|---:|---:|---|---|",
    ]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        futures: dict[tuple[str, Settings], Future[list[TestMetrics]]] = {}

        def submit(scheme: str, settings: Settings) -> Future[list[TestMetrics]]:
            if (scheme, settings) not in futures:  # several rows compare networks of the same runs
                futures[scheme, settings] = pool.submit(run, scheme, settings)
            return futures[scheme, settings]

        submitted = [
            (
                row,
                submit(row.scheme, tuple(row.settings.items())),
                submit("offline", settings_of_one_network(row)) if row.is_costly else None,
            )
            for row in ROWS
        ]
        for row, runs, runs_alone in submitted:
            lines.append(table_row(row, runs.result(), runs_alone.result() if runs_alone else ()))
            print(lines[-1], flush=True)
    write_table("schemes", lines)


if __name__ == "__main__":
    main()
