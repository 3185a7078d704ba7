"""Every arrangement against its control: ``python -m tests.bench.schemes``, some ten minutes on two cores.

Digits with what each scheme suggests (50 labels where it says nothing), every other option at its default, seeds 0 to
4. A row compares two networks of the same runs on the test split; where more than one network was trained for the
answer, a second control has one network alone with all their steps. Prints the table and puts it into the README.
"""

from __future__ import annotations

import os
import statistics
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

from kd_core.catalogue import find
from kd_core.config import from_flat
from kd_core.events import Finished
from kd_core.training import Kept, Training
from kd_core.verdict import SEEDS, Comparison, Test, verdict
from tests.readme import README, put

_kept: Kept = {}  # teachers of all runs of a process


@dataclass(frozen=True)
class Row:
    """One comparison; ``budget``: how many trainings the answer took, if more than one."""

    scheme: str
    asked: str
    flat: dict[str, str] = field(default_factory=dict)
    of: Comparison | None = None  # else the scheme's own
    budget: int = 1


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
    Row("mutual", "two MLP 64", budget=2),
    Row("mutual", "their average", {}, Comparison("average", "baseline"), 2),
    Row("rocket", "CNN 8×2 under a CNN 16×2"),
    Row("self_taught", "MLP 64 teaches MLP 64", budget=2),
    Row("born_again", "third generation", budget=3),
    Row("born_again", "average of three", {}, Comparison("ensemble", "baseline"), 3),
    Row("snapshot", "three cycles"),
    Row("own_teacher", "CNN 16×3, deepest exit"),
    Row("own_teacher", "CNN 16×3, first exit", {}, Comparison("exit 1", "baseline")),
    Row("self_attention", "CNN 8×3"),
    Row("teacher_free", "virtual teacher"),
    Row("teacher_free", "smoothed labels", {}, Comparison("smoothed", "baseline")),
    Row("teacher_free", "a real teacher", {}, Comparison("student", "baseline")),
    Row("ensemble", "student of three teachers"),
    Row("ensemble", "the student’s student", {}, Comparison("student’s student", "baseline")),
)


def run(scheme: str, flat: tuple[tuple[str, str], ...], seed: int) -> Test:
    """The judgement on the test split."""
    *_, finished = Training(from_flat({"dataset": "digits", "scheme": scheme, **dict(flat), "seed": seed}), kept=_kept)
    assert isinstance(finished, Finished)
    assert finished.outcome == "completed", f"{scheme} {flat}, seed {seed}: {finished.outcome}"
    return finished.test


def longer(row: Row) -> tuple[tuple[str, str], ...]:
    """The settings of one network alone that gets all steps of the row."""
    epochs = from_flat({"dataset": "digits", "scheme": row.scheme, **row.flat}).recipe.epochs
    return (*row.flat.items(), ("epochs", str(row.budget * epochs)), ("method", "label_smoothing"), ("smoothing", "0"))


def spread(shares: list[float]) -> str:
    """Mean and standard deviation in per cent."""
    return f"{100 * statistics.mean(shares):.1f} ± {100 * statistics.stdev(shares):.1f}"


def gain(tests: list[Test], of: Comparison) -> str:
    """In points, with its 95 % interval; bold for a gain and slanted for a loss beyond chance."""
    found = verdict(tests, of)
    assert found.gain is not None
    assert found.interval is not None
    mark = {"gain": "**", "loss": "_"}.get(found.outcome, "")
    low, high = found.interval
    return f"{mark}{found.gain:+.1f}{mark} ({low:+.1f} to {high:+.1f})".replace("-", "−")


def main() -> None:
    """Measures, prints, and writes into the README."""
    lines = [
        "| scheme | what is compared | network | control | gain | control with all steps |",
        "|---|---|---:|---:|---|---|",
    ]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        runs = {}
        for row in ROWS:
            for seed in range(SEEDS):
                key = (row.scheme, tuple(row.flat.items()), seed)
                runs.setdefault(key, pool.submit(run, *key))
                if row.budget > 1:
                    runs.setdefault(("offline", longer(row), seed), pool.submit(run, "offline", longer(row), seed))
        for row in ROWS:
            tests = [runs[row.scheme, tuple(row.flat.items()), seed].result() for seed in range(SEEDS)]
            scheme = find("schemes", row.scheme)
            of = row.of or scheme.compares  # type: ignore[attr-defined]
            sides = [spread([test[role][of.measure] for test in tests]) for role in (of.role, of.control)]
            long = ""
            if row.budget > 1:
                alone = [runs["offline", longer(row), seed].result()["baseline"] for seed in range(SEEDS)]
                both = [{of.role: test[of.role], "alone": other} for test, other in zip(tests, alone, strict=True)]
                long = f"{spread([own['accuracy'] for own in alone])}: {gain(both, Comparison(of.role, 'alone'))}"
            lines.append(f"| `{row.scheme}` | {row.asked} | {sides[0]} | {sides[1]} | {gain(tests, of)} | {long} |")
            print(lines[-1], flush=True)
    README.write_text(put(README.read_text(encoding="utf-8"), "schemes", "\n".join(lines)), encoding="utf-8")


if __name__ == "__main__":
    main()
