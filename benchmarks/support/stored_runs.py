"""Data folders as they are after years of use: many stored runs, or one very long one, made of what real runs said."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
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

BEGAN = 1_700_000_000.0  # seconds since 1970
STUDENTS = "students"  # the phase that a long run is long in
# In turns: the family of the start page, to which every start of a server adds a run, and somebody's own experiments.
SHORT = ({"dataset": "moons", "epochs": "20", "teacher_epochs": "5"}, {"dataset": "digits", "teacher_epochs": "5"})
LONG = {"dataset": "digits", "labelled": "50", "batch_size": "1", "teacher_epochs": "5"}  # 50 steps an epoch

Said = list[tuple[Event, bytes | None]]  # events, each with the weights kept with it


@functools.cache
def said_by(config: RunConfig) -> Said:
    """What a run of this configuration says, in order; it is trained now. Weights are kept of each phase's end."""
    training, said = Trainer(config), []
    for event in training:
        weights = None
        if training.is_last_evaluation(event):  # of all looks that are kept: a thousand runs shall fit on a small disk
            taken = weights_to_keep(event, training.phases, training.networks, is_last=True)
            weights = serialize_weights(taken) if taken else None
        said.append((event, weights))
    return said


def fill(folder: Path, count: int) -> str:
    """``count`` completed runs, the newest last; the id of a short run among them, or "" if there are none."""
    folder.mkdir(parents=True, exist_ok=True)
    store = Store(folder / "distillery.sqlite")
    templates = [from_flat(settings) for settings in SHORT]
    for number in range(count):
        config, seed = templates[number % 2], number % 5
        method = config.method
        if config.dataset.name == "digits":
            method = method.with_values(alpha=round(0.5 + 0.05 * (number // 10 % 10), 2))
        own = replace(config, method=method, basics=config.basics.with_values(seed=seed))
        _write(store, folder, f"{number:010x}", own, said_by(config))
    return f"{count - 1:010x}" if count else ""


def fill_long(folder: Path, steps: int) -> str:
    """One completed run of so many steps of the students; its id."""
    folder.mkdir(parents=True, exist_ok=True)
    short = from_flat(LONG | {"epochs": "40"})
    long = from_flat(LONG | {"epochs": str(steps // 50)})
    _write(Store(folder / "distillery.sqlite"), folder, "f" * 10, long, list(_stretched(said_by(short), short, long)))
    return "f" * 10


def _write(store: Store, folder: Path, run: str, config: RunConfig, said: Said) -> None:
    store.add(run, config, "completed")
    times = [(BEGAN + number, event) for number, (event, _) in enumerate(said)]
    store.append(run, 1, times, {n: weights for n, (_, weights) in enumerate(said, start=1) if weights is not None})
    store.set_state(run, "completed", 1.0)
    place = folder / "runs" / run / "checkpoint.safetensors"
    place.parent.mkdir(parents=True)
    Checkpoint(values={"events": len(said)}).write(place)


def _stretched(said: Said, short: RunConfig, long: RunConfig) -> Iterator[tuple[Event, bytes | None]]:
    """The students' epochs over and over, renumbered, until the longer run is full; looks as seldom as there."""
    phase = next(phase for phase in plan_of(long) if phase.name == STUDENTS)
    every, epochs = epochs_per_evaluation(phase), short.recipe.epochs
    body = [pair for pair in said if isinstance(pair[0], Step | Validated | Probed) and pair[0].phase == STUDENTS]
    first: Sequence[tuple[Event, bytes | None]] = said[: said.index(body[0])]
    for event, weights in first:
        yield _longer(event, long) if isinstance(event, Prepared) else event, weights
    for turn in range(long.recipe.epochs // epochs):
        for event, weights in body:
            assert isinstance(event, Step | Validated | Probed)
            is_look = not isinstance(event, Step)
            epoch, step = event.epoch + turn * epochs, event.step + turn * epochs * 50
            if is_look and (epoch % every or (turn and not event.epoch)):
                continue
            yield replace(event, epoch=epoch, step=step), weights if epoch == long.recipe.epochs else None
    yield from (pair for pair in said if isinstance(pair[0], Finished))


def _longer(event: Prepared, long: RunConfig) -> Prepared:
    phases = [replace(own, epochs=long.recipe.epochs) if own.name == STUDENTS else own for own in event.phases]
    return replace(event, phases=phases)
