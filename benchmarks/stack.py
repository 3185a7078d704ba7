"""Speed of 75 stacked students against single runs (``python -m benchmarks.stack``).

Temperature × alpha × seed on digits, for a fully connected student and for a small convolutional one with batch
normalisation. Both sides evaluate on the validation and the test split; the teacher is cached. A few single runs are
measured instead of all, and both sides take turns, so that a busy machine slows both. Takes about four minutes.
"""

from __future__ import annotations

import itertools
import math
import time

from benchmarks.support.rows import Row, report
from kd_core.base.events import Event, Finished, Validated
from kd_core.config.run import RunConfig, from_flat
from kd_core.runs.control import CHUNK_SECONDS
from kd_core.training.loop import GroupTrainer, PhaseCache, Trainer
from kd_core.training.vectorized.compilation import ALWAYS, NEVER

ROUNDS, SINGLES = 3, 3
TEMPERATURES, ALPHAS, SEEDS = (1, 2, 4, 8, 16), (0.1, 0.3, 0.5, 0.7, 0.9), (0, 1, 2)
CNN = {"student": "cnn", "student_width": "4", "student_normalisation": "batch"}
STUDENTS = {
    "MLP 64, 50 labels": ({"labelled": "50", "epochs": "40"}, 10.0),
    "MLP 64": ({"labelled": "0", "epochs": "20"}, 10.0),
    "CNN 4×2, batch norm": ({"labelled": "0", "epochs": "3", **CNN}, 2.0),
}
TOLERANCE = 0.02  # of a loss, relative, after rounding in some hundred steps
_cache: PhaseCache = {}


def grid(flat: dict[str, str]) -> list[RunConfig]:
    """Return the 75 runs."""
    return [
        from_flat({"dataset": "digits", **flat, "temperature": str(t), "alpha": str(a), "seed": str(s)})
        for t, a, s in itertools.product(TEMPERATURES, ALPHAS, SEEDS)
    ]


def last_loss(events: list[Event]) -> float:
    """Return the student's last validation loss of a completed run."""
    assert isinstance(events[-1], Finished)
    assert events[-1].outcome == "completed"
    return next(event.loss["student"] for event in reversed(events) if isinstance(event, Validated))


def single(config: RunConfig) -> tuple[float, int, float]:
    """Return seconds, student steps and last loss of a single run."""
    started = time.perf_counter()
    trainer = Trainer(config, cache=_cache)
    trainer.chunk_seconds = CHUNK_SECONDS
    events = list(trainer)
    return time.perf_counter() - started, trainer.steps(trainer.phases[-1]), last_loss(events)


def stacked(configs: list[RunConfig], compiling: str) -> tuple[float, int, list[float], float]:
    """Return seconds without compilation, student steps, last losses, and seconds of compilation."""
    started = time.perf_counter()
    group = GroupTrainer(configs, cache=_cache, compiling=compiling)
    events: dict[int, list[Event]] = {number: [] for number in range(len(configs))}
    compile_seconds = 0.0
    for number, event in group:
        events[number].append(event)
        if group._phase_trainer is not None and group._phase_trainer.fast is not None:
            compile_seconds = group._phase_trainer.fast.step_function.seconds
    seconds = time.perf_counter() - started - compile_seconds
    losses = [last_loss(run_events) for run_events in events.values()]
    return seconds, group.position[0], losses, compile_seconds


def compare(name: str, configs: list[RunConfig], aim: float) -> list[Row]:
    """Return student steps per second of single runs and stacks, and their ratios in the same round."""
    alone = Row(f"{name}: one after the other", "steps/s")
    modes = {NEVER: "eager", ALWAYS: "compiled"}
    rates = {mode: Row(f"{name}: stack of {len(configs)}, {word}", "steps/s") for mode, word in modes.items()}
    ratios = {mode: Row(f"{name}: ratio, {word}", "×") for mode, word in modes.items()}
    compile_seconds = Row(f"{name}: compiling", "s")
    single(configs[0])  # trains the teacher and warms torch up
    for round_number in range(ROUNDS):
        chosen = [(7 * (round_number * SINGLES + number)) % len(configs) for number in range(SINGLES)]
        round_ratios = {}
        for mode in sorted(modes, reverse=bool(round_number % 2)):
            runs = [single(configs[number]) for number in chosen]
            alone.numbers.append(sum(steps for _, steps, _ in runs) / sum(seconds for seconds, _, _ in runs))
            seconds, steps, losses, compiling = stacked(configs, mode)
            for number, (_, _, single_loss) in zip(chosen, runs, strict=True):
                message = f"{name}, run {number}: {losses[number]}, {single_loss}"
                assert math.isclose(losses[number], single_loss, rel_tol=TOLERANCE), message
            rates[mode].numbers.append(steps / seconds)
            round_ratios[mode] = steps / seconds / alone.numbers[-1]
            if compiling:
                compile_seconds.numbers.append(compiling)
        for mode, ratio in round_ratios.items():
            ratios[mode].numbers.append(ratio)
    for row in ratios.values():
        row.aim, row.met = f"at least {aim:g}", row.summary()["p50"] >= aim
    return [alone, *rates.values(), *ratios.values(), *([compile_seconds] if compile_seconds.numbers else [])]


def measure() -> list[Row]:
    """Measure every student of :data:`STUDENTS`."""
    return [row for name, (flat, aim) in STUDENTS.items() for row in compare(name, grid(flat), aim)]


if __name__ == "__main__":
    report("stack", __doc__, measure)
