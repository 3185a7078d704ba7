"""Benchmark of every scheme against its control, ``python -m benchmarks.schemes``, ten minutes on two cores.

Digits with the recommended settings of each scheme (else 50 labels), every other option at its default, seeds 0 to 4. A
row compares two networks of the same runs on the test set; if several networks were trained for one, a second
control has as many steps as all of them. Prints the table and puts it into the README.
"""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

from benchmarks.support.cells import gain, spread
from kd_core.base.events import Finished
from kd_core.base.options import as_text
from kd_core.base.registry import find_plugin
from kd_core.config.comparison import DEFAULT_SEEDS, Comparison, TestMetrics
from kd_core.config.plan import dependencies, steps_per_epoch
from kd_core.config.run import from_flat
from kd_core.datasets import load
from kd_core.schemes import plan_of
from kd_core.training.loop import PhaseCache, Trainer
from tools.docs import README, put

_cache: PhaseCache = {}  # teachers of all runs of a process


@dataclass(frozen=True)
class Row:
    """One row of the table; ``is_costly`` if several networks were trained for the compared one."""

    scheme: str
    question: str
    flat: dict[str, str] = field(default_factory=dict)
    of: Comparison | None = None  # by default that of the scheme
    is_costly: bool = False


ALL = {"labelled": "0"}
CORRECTED = Comparison("corrected student", "corrected baseline")
UNCORRECTED = Comparison(measure="omitted")
ROWS = (
    Row("offline", "a trained teacher"),
    Row("offline", "through one assistant", {"assistants": "1"}),
    Row("offline", "then 60 epochs on the labels alone", {"fine_tune": "60"}),
    Row("missing_class", "8 never seen: recall of 8", {"omitted": "8"}),
    Row("missing_class", "8 never seen: recall, not corrected", {"omitted": "8"}, UNCORRECTED),
    Row("missing_class", "8 never seen: all digits", {"omitted": "8"}, CORRECTED),
    Row("missing_class", "3 never seen: recall of 3", {"omitted": "3"}),
    Row("missing_class", "3 never seen: recall, not corrected", {"omitted": "3"}, UNCORRECTED),
    Row("missing_class", "3 never seen: all digits", {"omitted": "3"}, CORRECTED),
    Row("unlabelled", "30 labels, 970 images without"),
    Row("unlabelled", "the same, two noisy rounds", {"rounds": "2", "noise": "0.3"}),
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


def run(scheme: str, flat: tuple[tuple[str, str], ...], seed: int) -> TestMetrics:
    """Train one run and return its test metrics."""
    *_, finished = Trainer(from_flat({"dataset": "digits", "scheme": scheme, **dict(flat), "seed": seed}), cache=_cache)
    assert isinstance(finished, Finished)
    assert finished.outcome == "completed", f"{scheme} {flat}, seed {seed}: {finished.outcome}"
    return finished.test


def compared(row: Row) -> Comparison:
    """Return what the row compares, by default what the scheme does."""
    return row.of or find_plugin("schemes", row.scheme).comparison  # type: ignore[attr-defined]


def longer(row: Row) -> tuple[tuple[str, str], ...]:
    """Return the settings of one network with as many steps as all networks of the row together."""
    config = from_flat({"dataset": "digits", "scheme": row.scheme, **row.flat})
    phases, data, of = plan_of(config), load(config.dataset), compared(row)
    steps = {of.role: 0, of.control: 0}
    for role in steps:
        roles = dependencies(phases, role)
        for phase in phases:
            count = sum(learner.role in roles for learner in phase.learners)
            steps[role] += count * phase.recipe.epochs * steps_per_epoch(phase, data)
    epochs = round(config.recipe.epochs * steps[of.role] / steps[of.control])
    labels = ((name, as_text(value)) for name, value in config.labels.values().items())
    return (*labels, ("epochs", str(epochs)), ("method", "label_smoothing"), ("smoothing", "0"))


def main() -> None:
    """Measure, print the table and write it into the README."""
    lines = [
        "| scheme | what is compared | network | control | gain | control with all steps |",
        "|---|---|---:|---:|---|---|",
    ]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        runs = {}
        for row in ROWS:
            for seed in range(DEFAULT_SEEDS):
                key = (row.scheme, tuple(row.flat.items()), seed)
                runs.setdefault(key, pool.submit(run, *key))
                if row.is_costly:
                    runs.setdefault(("offline", longer(row), seed), pool.submit(run, "offline", longer(row), seed))
        for row in ROWS:
            tests = [runs[row.scheme, tuple(row.flat.items()), seed].result() for seed in range(DEFAULT_SEEDS)]
            of = compared(row)
            sides = [spread([test[role][of.measure] for test in tests]) for role in (of.role, of.control)]
            long = ""
            if row.is_costly:
                alone = [runs["offline", longer(row), seed].result()["baseline"] for seed in range(DEFAULT_SEEDS)]
                both = [{of.role: test[of.role], "alone": other} for test, other in zip(tests, alone, strict=True)]
                long = (
                    f"{spread([metrics['accuracy'] for metrics in alone])}: {gain(both, Comparison(of.role, 'alone'))}"
                )
            lines.append(f"| `{row.scheme}` | {row.question} | {sides[0]} | {sides[1]} | {gain(tests, of)} | {long} |")
            print(lines[-1], flush=True)
    README.write_text(put(README.read_text(encoding="utf-8"), "schemes", "\n".join(lines)), encoding="utf-8")


if __name__ == "__main__":
    main()
