"""The rows of the store's tables, as objects."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from kd_core.base.events import Event
from kd_core.config.run import RunConfig
from kd_core.config.sweep import Sweep
from kd_core.store.annotations import Annotations

LABELS = "name, tags, note, pinned"
RUN = f"id, created, config, family, seed, state, seconds, test, coalesce(sweep, ''), {LABELS}"  # for Run.of
SWEEP = f"id, created, sweep, state, seconds, {LABELS}"  # for SweepRow.of


@dataclass(frozen=True)
class Run:
    """One row of the table of runs."""

    id: str
    created: float
    config_json: str  # RunConfig.to_json()
    family: str
    seed: int
    state: str
    seconds: float
    test: dict[str, dict[str, float]] | None
    sweep: str = ""  # the id of the sweep that it is one of
    annotations: Annotations = field(default_factory=Annotations)

    @classmethod
    def of(cls, row: Sequence[Any]) -> Self:
        """From the columns :data:`RUN`, whatever follows them."""
        run, created, config, family, seed, state, seconds, test, sweep, *labels = row
        known = json.loads(test) if test else None
        return cls(run, created, config, family, seed, state, seconds, known, sweep, _labels(labels))

    @functools.cached_property
    def config(self) -> RunConfig:
        """Raises ValueError where it names something that this installation does not have."""
        return RunConfig.from_json(self.config_json)

    @functools.cached_property
    def available_config(self) -> RunConfig | None:
        """:attr:`config` for a list of many runs: see :meth:`RunConfig.from_json_unchecked`. None where something is
        not here."""
        try:
            config = RunConfig.from_json_unchecked(self.config_json)
        except ValueError:
            return None
        return config if config.dataset.is_available() else None

    @property
    def is_readable(self) -> bool:
        """Everything that the configuration names is there."""
        try:
            return bool(self.config)
        except ValueError:
            return False


@dataclass(frozen=True)
class SweepRow:
    """One row of the table of sweeps."""

    id: str
    created: float
    text: str  # Sweep.to_json()
    state: str
    seconds: float
    annotations: Annotations = field(default_factory=Annotations)

    @classmethod
    def of(cls, row: Sequence[Any]) -> Self:
        """From the columns :data:`SWEEP`, whatever follows them."""
        sweep_id, created, sweep, state, seconds, *labels = row
        return cls(sweep_id, created, sweep, state, seconds, _labels(labels))

    @functools.cached_property
    def sweep(self) -> Sweep:
        """Raises ValueError where it names something that this installation does not have."""
        return Sweep.from_json(self.text)

    @property
    def config(self) -> RunConfig:
        """What its runs have in common. Raises ValueError likewise."""
        return self.sweep.base

    @property
    def is_readable(self) -> bool:
        """Everything that its runs need is there."""
        try:
            return bool(self.sweep)
        except ValueError:
            return False


@dataclass(frozen=True)
class EventBatch:
    """Events number ``first``, ``first + 1``, ... of a run with their times, and the ``weights`` kept with some of
    them, by number."""

    run: str
    first: int
    events: Sequence[tuple[float, Event]]
    weights: Mapping[int, bytes]


def family_of(config: RunConfig) -> str:
    """What runs have in common that differ in their seed alone."""
    body = json.loads(config.to_json())
    body["basics"].pop("seed")
    return json.dumps(body, sort_keys=True, separators=(",", ":"))


def _labels(columns: Sequence[Any]) -> Annotations:
    name, tags, note, pinned, *_ = columns
    return Annotations(name, tuple(json.loads(tags)), note, bool(pinned))


def change_key(change: str) -> str:
    """Return the key of an option change, an event as JSON; of two changes with one key the later counts."""
    body = json.loads(change)
    return json.dumps([body["event"], body["phase"], body["step"], body.get("option")])


@dataclass(frozen=True)
class LatestEvaluation:
    """The newest look at a run of a sweep: shares of the validation split, None where nothing was said yet."""

    run: str
    seed: int
    state: str
    accuracy: float | None = None
    control: float | None = None
    epoch: int = 0


QUEUED, TRAINING, PAUSED = "queued", "training", "paused"
COMPLETED, STOPPED, FAILED, INTERRUPTED = "completed", "stopped", "failed", "interrupted"
ACTIVE = (QUEUED, TRAINING, PAUSED)


@dataclass(frozen=True)
class Status:
    """How far a run is. ``ahead`` counts the runs before it in the queue; ``wait`` are the seconds until it begins as
    far as they are known: what is left of those that train, nothing of those that wait. Seconds are 0 where nothing is
    known."""

    state: str
    done: int = 0
    total: int = 0
    seconds: float = 0.0
    remaining: float = 0.0
    ahead: int = 0
    pace: float = 0.0
    notice: str = ""  # a sentence on what went wrong around the run, and what becomes of it
    wait: float = 0.0

    @property
    def is_active(self) -> bool:
        return self.state in ACTIVE
