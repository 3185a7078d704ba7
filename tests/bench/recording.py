"""What it costs that everything a run says is kept: ``python -m tests.bench.recording``, some three minutes.

The same student is trained three ways in turn: its steps alone; with a look at the validation split, probes included,
after every epoch; and as the app does, in the background, with all of that on its way to SQLite. A cost is the time of
a step in one way beyond that in another, in per cent of the latter, round by round. Prints one table and writes the
same numbers to data/bench/recording.json.
"""

from __future__ import annotations

import os
import statistics
import tempfile
from collections.abc import Sequence

from tests.bench.engine import measure
from tests.bench.peers import ENTRIES, HIDDEN, OURS, STEPS_ALONE
from tests.bench.rows import Row, report
from tests.bench.works import prepared

WORKS = ("W1", "W3")
ROUNDS, SECONDS = 7, 3.0
AIM = 10.0  # per cent
LOOKING = "ours-bare"


def cost(more: Sequence[float], less: Sequence[float]) -> list[float]:
    """Per cent that a step takes longer, round by round, from two rates in steps per second."""
    return [100 * (fast / slow - 1) for slow, fast in zip(more, less, strict=True)]


def costs() -> list[Row]:
    """Of the looks, of writing it all down, and of both."""
    entries = {STEPS_ALONE: HIDDEN[STEPS_ALONE], LOOKING: ENTRIES[LOOKING], OURS: ENTRIES[OURS]}
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DISTILLERY_DATA"] = folder
        for name in WORKS:
            work = prepared(name)
            print(f"{name}: {work.in_words()}", flush=True)
            rates = {key: line.rates for key, line in measure(entries, work, ROUNDS, SECONDS).items()}
            rows.append(Row(f"{name}, steps alone", "steps/s", rates[STEPS_ALONE]))
            rows.append(Row(f"{name}, looks and probes", "%", cost(rates[LOOKING], rates[STEPS_ALONE])))
            rows.append(Row(f"{name}, writing it down in the background", "%", cost(rates[OURS], rates[LOOKING])))
            both = Row(f"{name}, everything", "%", cost(rates[OURS], rates[STEPS_ALONE]), f"median ≤ {AIM:g}")
            both.met = statistics.median(both.numbers) <= AIM
            rows.append(both)
    return rows


if __name__ == "__main__":
    report("recording", __doc__, costs)
