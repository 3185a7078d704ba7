"""Data folders with many stored runs, or with a very long one.

Only a few short runs are trained; their events are stored again and again.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from kd_core.base.events import Event, Finished, Prepared, Probed, Step, Validated
from kd_core.config.plan import epochs_per_evaluation
from kd_core.config.run import RunConfig, from_flat
from kd_core.files.checkpoint import Checkpoint
from kd_core.schemes import plan_of
from kd_core.store.store import Store
from kd_core.store.weight_snapshots import serialize_weights, weights_to_keep
from kd_core.training.loop import Trainer

START_TIME = 1_700_000_000.0  # seconds since 1970
STUDENTS = "students"  # the phase that is longer in a long run
# Stored in turns: the settings of the start page, to which every start of a server adds a run, and an experiment.
SHORT = ({"dataset": "moons", "epochs": "20", "teacher_epochs": "5"}, {"dataset": "digits", "teacher_epochs": "5"})
LONG = {"dataset": "digits", "labelled": "50", "batch_size": "1", "teacher_epochs": "5"}
STEPS_PER_EPOCH = 50  # of LONG

Recording = list[tuple[Event, bytes | None]]  # events, each with the weights stored with it


@functools.cache
def record(config: RunConfig) -> Recording:
    """Train a run and return its events. Weights are kept of the last evaluation of each phase only, to save space."""
    trainer, recording = Trainer(config), []
    for event in trainer:
        weights = None
        if trainer.is_last_evaluation(event):
            arrays = weights_to_keep(event, trainer.phases, trainer.networks, is_last=True)
            weights = serialize_weights(arrays) if arrays else None
        recording.append((event, weights))
    return recording


def fill(folder: Path, count: int) -> str:
    """Store ``count`` completed runs, the newest last. Returns the id of the newest, or "" if there is none."""
    folder.mkdir(parents=True, exist_ok=True)
    store = Store(folder / "distillery.sqlite")
    templates = [from_flat(settings) for settings in SHORT]
    for number in range(count):
        config, seed = templates[number % 2], number % 5
        method = config.method
        if config.dataset.name == "digits":
            method = method.with_values(alpha=round(0.5 + 0.05 * (number // 10 % 10), 2))
        variation = replace(config, method=method, basics=config.basics.with_values(seed=seed))
        _write(store, folder, f"{number:010x}", variation, record(config))
    return f"{count - 1:010x}" if count else ""


def fill_long(folder: Path, steps: int) -> str:
    """Store one completed run in which the students make so many steps. Returns its id."""
    folder.mkdir(parents=True, exist_ok=True)
    short = from_flat(LONG | {"epochs": "40"})
    long = from_flat(LONG | {"epochs": str(steps // STEPS_PER_EPOCH)})
    recording = list(_stretch(record(short), short, long))
    _write(Store(folder / "distillery.sqlite"), folder, "f" * 10, long, recording)
    return "f" * 10


def _write(store: Store, folder: Path, run: str, config: RunConfig, recording: Recording) -> None:
    store.add(run, config, "completed")
    events = [(START_TIME + number, event) for number, (event, _) in enumerate(recording)]
    snapshots = {number: weights for number, (_, weights) in enumerate(recording, start=1) if weights is not None}
    store.append(run, 1, events, snapshots)
    store.set_state(run, "completed", 1.0)
    path = folder / "runs" / run / "checkpoint.safetensors"
    path.parent.mkdir(parents=True)
    Checkpoint(values={"events": len(recording)}).write(path)


def _stretch(recording: Recording, short: RunConfig, long: RunConfig) -> Iterator[tuple[Event, bytes | None]]:
    """Repeat the epochs of the students, renumbered, until the long run is full, and evaluate as rarely as it does."""
    phase = next(phase for phase in plan_of(long) if phase.name == STUDENTS)
    interval, epochs = epochs_per_evaluation(phase), short.recipe.epochs
    repeated = [
        pair for pair in recording if isinstance(pair[0], Step | Validated | Probed) and pair[0].phase == STUDENTS
    ]
    for event, weights in recording[: recording.index(repeated[0])]:
        yield _with_epochs(event, long) if isinstance(event, Prepared) else event, weights
    for repetition in range(long.recipe.epochs // epochs):
        for event, weights in repeated:
            assert isinstance(event, Step | Validated | Probed)
            epoch = event.epoch + repetition * epochs
            step = event.step + repetition * epochs * STEPS_PER_EPOCH
            # The state before the first step is evaluated once.
            is_repeated_start = repetition > 0 and event.epoch == 0
            if not isinstance(event, Step) and (epoch % interval or is_repeated_start):
                continue
            yield replace(event, epoch=epoch, step=step), weights if epoch == long.recipe.epochs else None
    yield from (pair for pair in recording if isinstance(pair[0], Finished))


def _with_epochs(event: Prepared, long: RunConfig) -> Prepared:
    phases = [replace(phase, epochs=long.recipe.epochs) if phase.name == STUDENTS else phase for phase in event.phases]
    return replace(event, phases=phases)
