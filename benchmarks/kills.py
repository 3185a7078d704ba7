"""Runs of several kinds that are killed at random moments by kill -9.

``python -m benchmarks.kills`` checks that they end with the same numbers and that no stored event is lost.
"""

from __future__ import annotations

import random
import tempfile
import time
from pathlib import Path

from benchmarks.support.rows import Row, report
from kd_core.base.events import Adjusted
from kd_core.config.run import from_flat
from kd_core.training.loop import Trainer
from tools.testing.killed_runs import train_with_kills

KILLS = 6  # of each run, which may be over before the last one
SHORT = {"dataset": "moons", "epochs": "40", "teacher_epochs": "4", "labelled": "40"}
KINDS: dict[str, dict[str, str]] = {
    "soft targets": {},
    "hints, with adapters": {"method": "hints"},
    "momentum and a schedule": {"optimiser": "sgd", "schedule": "cosine"},
    "weight averaging, best checkpoint": {"keep": "best", "ema": "0.99"},
    "mutual learning": {"scheme": "mutual"},
}
CHANGES = {"learning_rate": 0.002}  # of live options during the run
RUNS = 10


def measure() -> list[Row]:
    """Measure how runs end after kills, and which events are lost."""
    rng = random.Random(2026)
    same, lost, stored, seconds = [], [], [], []
    kinds = [(name, from_flat(SHORT | flat).flat()) for name, flat in KINDS.items()]
    for number in range(RUNS):
        name, flat = kinds[number % len(kinds)]
        flat |= {"seed": str(number)}
        whole = len(list(Trainer(from_flat(flat))))
        moments = sorted(rng.randrange(whole * 9 // 10) for _ in range(KILLS))
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            history = train_with_kills(Path(folder), flat, moments, rng, CHANGES if number % 2 else {})
        changes = [event for event in history.final.values() if isinstance(event, Adjusted)]
        expected = list(Trainer(from_flat(flat), adjustments=changes))
        is_same = list(history.final.values()) == expected and history.state == "completed"
        same += [float(is_same and len(changes) == number % 2)] * history.kills
        lost.append(float(history.lost))
        stored.append(float(sum(map(len, history.seen[:-1]))))
        seconds.append(time.monotonic() - began)
        print(
            f"{number} {name}: {history.kills} kills, {'same' if is_same else 'OTHER'} numbers, "
            f"{history.lost} of {stored[-1]:.0f} events lost, {len(changes)} changes",
            flush=True,
        )
    kills = len(same)
    return [
        Row("kills after which the run ended with the same numbers", f"of {kills}", [sum(same)], "all", all(same)),
        Row("stored events that were lost, per run", "events", lost, "0", not any(lost)),
        Row("stored events before kills, per run", "events", stored),
        Row("a run with its kills", "s", seconds),
    ]


if __name__ == "__main__":
    report("kills", __doc__, measure)
