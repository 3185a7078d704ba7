"""75 students as one stack against the same students one after the other: ``python -m benchmarks.stack``.

Temperature × alpha × seed on digits, for a fully connected student and for a small convolutional one with batch
normalisation. Both sides tell their looks and are judged on the test split; the teacher is there already. A few single
runs stand for all of them, and both sides take turns, so that a busy neighbour slows both. Four minutes or so.
"""

from __future__ import annotations

import itertools
import math
import time

from benchmarks.support.rows import Row, report
from kd_core.base.events import Event, Finished, Validated
from kd_core.config.run import RunConfig, from_flat
from kd_core.runs.control import CHUNK_SECONDS
from kd_core.training.loop import PhaseCache, Trainer
from kd_core.training.vectorized.compilation import ALWAYS, NEVER
from kd_core.training.vectorized.multi_run.loop import StackedTrainer

ROUNDS, SINGLES = 3, 3
TEMPERATURES, ALPHAS, SEEDS = (1, 2, 4, 8, 16), (0.1, 0.3, 0.5, 0.7, 0.9), (0, 1, 2)
CNN = {"student": "cnn", "student_width": "4", "student_normalisation": "batch"}
STUDENTS = {
    "MLP 64, 50 labels": ({"labelled": "50", "epochs": "40"}, 10.0),
    "MLP 64": ({"labelled": "0", "epochs": "20"}, 10.0),
    "CNN 4×2, batch norm": ({"labelled": "0", "epochs": "3", **CNN}, 2.0),
}
SAME = 0.02  # of a loss: what rounding may make of it in some hundred steps
_kept: PhaseCache = {}


def grid(flat: dict[str, str]) -> list[RunConfig]:
    """The 75 runs."""
    return [
        from_flat({"dataset": "digits", **flat, "temperature": str(t), "alpha": str(a), "seed": str(s)})
        for t, a, s in itertools.product(TEMPERATURES, ALPHAS, SEEDS)
    ]


def loss(said: list[Event]) -> float:
    """Of the student on the validation split at the end of a run that was completed."""
    assert isinstance(said[-1], Finished)
    assert said[-1].outcome == "completed"
    return next(event.loss["student"] for event in reversed(said) if isinstance(event, Validated))


def single(config: RunConfig) -> tuple[float, int, float]:
    """Seconds, student's steps and last loss of a run of its own."""
    begun = time.perf_counter()
    training = Trainer(config, cache=_kept)
    training.chunk_seconds = CHUNK_SECONDS
    said = list(training)
    return time.perf_counter() - begun, training.steps(training.phases[-1]), loss(said)


def stacked(configs: list[RunConfig], compiling: str) -> tuple[float, int, list[float], float]:
    """Seconds without those of compiling, students' steps, last losses, seconds of compiling."""
    begun = time.perf_counter()
    stack = StackedTrainer(configs, kept=_kept, compiling=compiling)
    said: dict[int, list[Event]] = {number: [] for number in range(len(configs))}
    for number, event in stack:
        said[number].append(event)
    took = time.perf_counter() - begun - stack.seconds
    return took, stack.position[0], [loss(own) for own in said.values()], stack.seconds


def compared(name: str, configs: list[RunConfig], aim: float) -> list[Row]:
    """Student's steps per second of each way, and the ratios of the same round."""
    alone = Row(f"{name}: one after the other", "steps/s")
    ways = {NEVER: "eager", ALWAYS: "compiled"}
    paces = {way: Row(f"{name}: stack of {len(configs)}, {word}", "steps/s") for way, word in ways.items()}
    ratios = {way: Row(f"{name}: ratio, {word}", "×") for way, word in ways.items()}
    seconds = Row(f"{name}: compiling", "s")
    single(configs[0])  # the teacher, and whatever torch prepares
    for turn in range(ROUNDS):
        chosen = [(7 * (turn * SINGLES + number)) % len(configs) for number in range(SINGLES)]
        found = {}
        for way in sorted(ways, reverse=bool(turn % 2)):
            runs = [single(configs[number]) for number in chosen]
            alone.numbers.append(sum(steps for _, steps, _ in runs) / sum(took for took, _, _ in runs))
            took, steps, losses, compiling = stacked(configs, way)
            for number, (_, _, own) in zip(chosen, runs, strict=True):
                assert math.isclose(losses[number], own, rel_tol=SAME), f"{name}, run {number}: {losses[number]}, {own}"
            paces[way].numbers.append(steps / took)
            found[way] = steps / took / alone.numbers[-1]
            if compiling:
                seconds.numbers.append(compiling)
        for way, ratio in found.items():
            ratios[way].numbers.append(ratio)
    for row in ratios.values():
        row.aim, row.met = f"at least {aim:g}", row.summary()["p50"] >= aim
    return [alone, *paces.values(), *ratios.values(), *([seconds] if seconds.numbers else [])]


def measure() -> list[Row]:
    """Every student of :data:`STUDENTS`."""
    return [row for name, (flat, aim) in STUDENTS.items() for row in compared(name, grid(flat), aim)]


if __name__ == "__main__":
    report("stack", __doc__, measure)
