"""What it costs that everything a run says is kept: ``python -m benchmarks.recording``, some six minutes.

What is compared is the processor time that the thread which trains spends on looks at the validation split, probes
included, and on everything else beside its steps, in per cent of what it spends on the steps themselves, in the same
run: that is the same whatever else the machine does. Beside it stand the seconds of the clock. There the same student
is trained three ways in turn: its steps alone; with a look after every epoch; and as the app does, in the background,
with all of that on its way to SQLite; a cost is the time of a step in one way beyond that in another, round by round.
One thread for the operations. Prints one table and writes the same numbers to data/bench/recording.json.

A look is one forward pass of the validation split, and a step three of its batch: with as many examples to look at as
the glyphs have, those operations alone are a sixth of the steps.
"""

from __future__ import annotations

import os
import statistics
import tempfile
from collections.abc import Mapping, Sequence

from benchmarks.engine import measure
from benchmarks.peers import ENTRIES, EVALUATIONS, HIDDEN, OURS, REST, STEPS, STEPS_ALONE
from benchmarks.support.rows import Row, report
from benchmarks.support.workloads import TITLES, prepared

WORKS = ("W1", "W3")
ROUNDS, SECONDS = 7, 3.0
AIM = 10.0  # per cent
LOOKING = "ours-bare"


def cost(more: Sequence[float], less: Sequence[float]) -> list[float]:
    """Per cent that a step takes longer, round by round, from two rates in steps per second."""
    return [100 * (fast / slow - 1) for slow, fast in zip(more, less, strict=True)]


def shares(computed: Sequence[Mapping[str, float]], *beside: str) -> list[float]:
    """Processor time of these parts in per cent of that of the steps, round by round."""
    return [100 * sum(own[what] for what in beside) / own[STEPS] for own in computed]


def costs() -> list[Row]:
    """Of the looks, of writing it all down, and of both."""
    entries = {STEPS_ALONE: HIDDEN[STEPS_ALONE], LOOKING: ENTRIES[LOOKING], OURS: ENTRIES[OURS]}
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"DISTILLERY_DATA": folder, "OMP_NUM_THREADS": "1"}  # of the workers
        for name in WORKS:
            work, title = prepared(name), f"{name} {TITLES[name]}"
            print(f"{title}: {work.in_words()}", flush=True)
            lines = measure(entries, work, ROUNDS, SECONDS)
            rates, computed = {key: line.rates for key, line in lines.items()}, lines[OURS].computed
            both = Row(f"{title}, processor: everything", "%", shares(computed, EVALUATIONS, REST), f"median ≤ {AIM:g}")
            both.met = statistics.median(both.numbers) <= AIM
            rows += [
                Row(f"{title}, processor: evaluations", "%", shares(computed, EVALUATIONS)),
                Row(f"{title}, processor: writing it down", "%", shares(computed, REST)),
                both,
                Row(f"{title}, clock: steps alone", "steps/s", rates[STEPS_ALONE]),
                Row(f"{title}, clock: looks and probes", "%", cost(rates[LOOKING], rates[STEPS_ALONE])),
                Row(f"{title}, clock: writing it down in the background", "%", cost(rates[OURS], rates[LOOKING])),
                Row(f"{title}, clock: everything", "%", cost(rates[OURS], rates[STEPS_ALONE])),
            ]
    return rows


if __name__ == "__main__":
    report("recording", __doc__, costs)
