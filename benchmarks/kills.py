"""Kill -9 at random moments of runs of several kinds: do they end with the same numbers, and is all that was read
still there? ``python -m benchmarks.kills``"""

from __future__ import annotations

import random
import tempfile
import time
from pathlib import Path

from benchmarks.support.rows import Row, report
from kd_core.base.events import Adjusted
from kd_core.config.run import from_flat
from kd_core.training.loop import Trainer
from tools.testing.killed_runs import killed

KILLS = 6  # of each run, which may be over before the last one
SHORT = {"dataset": "moons", "epochs": "40", "teacher_epochs": "4", "labelled": "40"}
KINDS: dict[str, dict[str, str]] = {
    "soft targets": {},
    "hints, with adaptors": {"method": "hints"},
    "momentum and a schedule": {"optimiser": "sgd", "schedule": "cosine"},
    "averaged weights, the best kept": {"keep": "best", "ema": "0.99"},
    "mutual learning": {"scheme": "mutual"},
}
CHANGES = {"learning_rate": 0.002}  # made by hand in the middle
RUNS = 10


def measure() -> list[Row]:
    """One row for what was killed, resumed and lost."""
    chance = random.Random(2026)
    same, lost, seen, seconds = [], [], [], []
    kinds = [(name, from_flat(SHORT | flat).flat()) for name, flat in KINDS.items()]
    for number in range(RUNS):
        name, flat = kinds[number % len(kinds)]
        flat |= {"seed": str(number)}
        whole = len(list(Trainer(from_flat(flat))))
        moments = sorted(chance.randrange(whole * 9 // 10) for _ in range(KILLS))
        begun = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            history = killed(Path(folder), flat, moments, chance, CHANGES if number % 2 else {})
        changes = [event for event in history.final.values() if isinstance(event, Adjusted)]
        expected = list(Trainer(from_flat(flat), adjustments=changes))
        is_same = list(history.final.values()) == expected and history.state == "completed"
        same += [float(is_same and len(changes) == number % 2)] * history.kills
        lost.append(float(history.lost))
        seen.append(float(sum(map(len, history.seen[:-1]))))
        seconds.append(time.monotonic() - begun)
        print(
            f"{number} {name}: {history.kills} kills, {'same' if is_same else 'OTHER'} numbers, "
            f"{history.lost} of {seen[-1]:.0f} events lost, {len(changes)} changes",
            flush=True,
        )
    kills = len(same)
    return [
        Row("kills after which the run ended with the same numbers", f"of {kills}", [sum(same)], "all", all(same)),
        Row("events a reader had seen and that were lost, per run", "events", lost, "0", not any(lost)),
        Row("events a reader had seen before kills, per run", "events", seen),
        Row("a run with its kills", "s", seconds),
    ]


if __name__ == "__main__":
    report("kills", __doc__, measure)
