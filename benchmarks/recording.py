"""Cost of evaluating and recording a run, in per cent of its training steps.

``python -m benchmarks.recording`` takes about six minutes, prints one table and writes data/bench/recording.json.

Processor time is that of the training thread, spent on evaluations of the validation set (probes included) and on
everything else besides the steps, in per cent of the steps of the same run, which does not depend on the load of the
machine. For the clock, the same student is trained in three ways in turn, which are steps alone, steps with an
evaluation after every epoch, and in the background as in the app, with all events on their way to SQLite; a cost is the
difference of the time per step, round by round. Operations use one thread.

An evaluation is one forward pass of the validation set, and a step costs three of its batch. With as many validation
examples as the glyphs have, those operations alone are a sixth of the steps.
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
EVALUATING = "ours-bare"


def cost(slower: Sequence[float], faster: Sequence[float]) -> list[float]:
    """Return how much longer a step takes in per cent, round by round, from two rates in steps per second."""
    return [100 * (fast / slow - 1) for slow, fast in zip(slower, faster, strict=True)]


def relative_costs(rounds: Sequence[Mapping[str, float]], *parts: str) -> list[float]:
    """Return the processor time of these parts in per cent of that of the steps, round by round."""
    return [100 * sum(seconds[part] for part in parts) / seconds[STEPS] for seconds in rounds]


def costs() -> list[Row]:
    """Measure the cost of evaluations, of recording, and of both."""
    entries = {STEPS_ALONE: HIDDEN[STEPS_ALONE], EVALUATING: ENTRIES[EVALUATING], OURS: ENTRIES[OURS]}
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"DISTILLERY_DATA": folder, "OMP_NUM_THREADS": "1"}  # of the workers
        for name in WORKS:
            work, title = prepared(name), f"{name} {TITLES[name]}"
            print(f"{title}: {work.in_words()}", flush=True)
            results = measure(entries, work, ROUNDS, SECONDS)
            rates, computed = {key: result.rates for key, result in results.items()}, results[OURS].computed
            both = Row(
                f"{title}, processor: everything", "%", relative_costs(computed, EVALUATIONS, REST), f"median ≤ {AIM:g}"
            )
            both.met = statistics.median(both.numbers) <= AIM
            rows += [
                Row(f"{title}, processor: evaluations", "%", relative_costs(computed, EVALUATIONS)),
                Row(f"{title}, processor: recording", "%", relative_costs(computed, REST)),
                both,
                Row(f"{title}, clock: steps alone", "steps/s", rates[STEPS_ALONE]),
                Row(f"{title}, clock: evaluations", "%", cost(rates[EVALUATING], rates[STEPS_ALONE])),
                Row(f"{title}, clock: recording in the background", "%", cost(rates[OURS], rates[EVALUATING])),
                Row(f"{title}, clock: everything", "%", cost(rates[OURS], rates[STEPS_ALONE])),
            ]
    return rows


if __name__ == "__main__":
    report("recording", __doc__, costs)
