"""Row dataclasses of the store, run states and Status."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from kd_core.base.events import Event
from kd_core.config.run import RunConfig
from kd_core.config.sweep import Sweep
from kd_core.config.sweep.search import Search, is_search
from kd_core.store.annotations import Annotations

QUEUED, TRAINING, PAUSED = "queued", "training", "paused"
COMPLETED, STOPPED, FAILED, INTERRUPTED = "completed", "stopped", "failed", "interrupted"
PRUNED = "pruned"  # a run of a search that was ended early, since others are better
ACTIVE = (QUEUED, TRAINING, PAUSED)

ANNOTATION_COLUMNS = "name, tags, note, pinned"
STATE = "current_state(id, state)"  # with the changes that the database does not have yet
STATE_COLUMNS = f"{STATE}, current_seconds(id, seconds)"
# Columns for Run.of and SweepRow.of.
RUN = f"id, created, config, family, seed, {STATE_COLUMNS}, test, coalesce(sweep, ''), {ANNOTATION_COLUMNS}"
SWEEP = f"id, created, sweep, {STATE_COLUMNS}, {ANNOTATION_COLUMNS}"


@dataclass(frozen=True)
class Run:
    """One row of the table of runs."""

    id: str
    created: float  # seconds since 1970
    config_json: str  # RunConfig.to_json()
    family: str  # family_of(config)
    seed: int
    state: str
    seconds: float  # of training, without pauses
    test: dict[str, dict[str, Any]] | None  # Finished.test of a run that has ended
    sweep: str = ""  # id of the sweep that the run belongs to
    annotations: Annotations = field(default_factory=Annotations)

    @classmethod
    def of(cls, row: Sequence[Any]) -> Self:
        """Return the run of a row with the columns :data:`RUN` and any others after them."""
        run, created, config, family, seed, state, seconds, test, sweep, *others = row
        metrics = json.loads(test) if test else None
        return cls(run, created, config, family, seed, state, seconds, metrics, sweep, _annotations(others))

    @functools.cached_property
    def config(self) -> RunConfig:
        """The configuration. Raises ValueError if it names something that this installation does not have."""
        return RunConfig.from_json(self.config_json)

    @functools.cached_property
    def available_config(self) -> RunConfig | None:
        """The configuration without a check of its values, which is faster; None if something is not available.

        See :meth:`RunConfig.from_json_unchecked`.
        """
        try:
            config = RunConfig.from_json_unchecked(self.config_json)
        except ValueError:
            return None
        return config if config.dataset.is_available() else None

    @property
    def is_readable(self) -> bool:
        """Whether this installation has everything that the configuration names."""
        try:
            return bool(self.config)
        except ValueError:
            return False


@dataclass(frozen=True)
class SweepRow:
    """One row of the table of sweeps."""

    id: str
    created: float  # seconds since 1970
    sweep_json: str  # Sweep.to_json() or Search.to_json()
    state: str
    seconds: float  # of training, without pauses
    annotations: Annotations = field(default_factory=Annotations)

    @classmethod
    def of(cls, row: Sequence[Any]) -> Self:
        """Return the sweep of a row with the columns :data:`SWEEP` and any others after them."""
        sweep_id, created, sweep, state, seconds, *others = row
        return cls(sweep_id, created, sweep, state, seconds, _annotations(others))

    @functools.cached_property
    def plan(self) -> Sweep | Search:
        """The definition. Raises ValueError if it names something that this installation does not have."""
        return plan_of_json(self.sweep_json)

    @property
    def sweep(self) -> Sweep:
        """The definition of a sweep that is no search. Raises ValueError likewise."""
        if isinstance(self.plan, Search):
            raise ValueError(f"{self.id} is a search, and no sweep over all combinations.")
        return self.plan

    @property
    def search(self) -> Search:
        """The definition of a search. Raises ValueError likewise."""
        if isinstance(self.plan, Sweep):
            raise ValueError(f"{self.id} is a sweep, and no search.")
        return self.plan

    @functools.cached_property
    def is_search(self) -> bool:
        """Whether it is a search, whose runs are proposed one batch after the other."""
        return is_search(self.sweep_json)

    @property
    def config(self) -> RunConfig:
        """The base configuration of all its runs. Raises ValueError likewise."""
        return self.plan.base

    @property
    def is_readable(self) -> bool:
        """Whether this installation has everything that its runs need."""
        try:
            return bool(self.plan)
        except ValueError:
            return False


@functools.lru_cache(maxsize=64)  # since every visitor of a page asks for the same ones
def plan_of_json(sweep_json: str) -> Sweep | Search:
    """Return the definition of a sweep or search from its JSON. Raises ValueError."""
    return (Search if is_search(sweep_json) else Sweep).from_json(sweep_json)


@dataclass(frozen=True)
class EventBatch:
    """Consecutive events of a run, and the weights stored with some of them."""

    run: str
    first: int  # number of the first event
    events: Sequence[tuple[float, Event]]  # with their times in seconds since 1970
    weights: Mapping[int, bytes]  # by number of the event


def family_of(config: RunConfig) -> str:
    """Return the configuration without its seed as text, which is equal for runs that differ only in their seed."""
    body = json.loads(config.to_json())
    body["basics"].pop("seed")
    return json.dumps(body, sort_keys=True, separators=(",", ":"))


def _annotations(columns: Sequence[Any]) -> Annotations:
    name, tags, note, pinned, *_ = columns
    return Annotations(name, tuple(json.loads(tags)), note, bool(pinned))


def change_key(change: str) -> str:
    """Return the key of an option change, an event as JSON; of two changes with one key the later counts."""
    body = json.loads(change)
    return json.dumps([body["event"], body["phase"], body["step"], body.get("option")])


@dataclass(frozen=True)
class LatestEvaluation:
    """Last evaluation of a run of a sweep on the validation set."""

    run: str
    seed: int
    state: str
    accuracy: float | None = None  # None before the first evaluation
    control: float | None = None  # accuracy of the control
    epoch: int = 0
    correct: str = ""  # Validated.correct of the network and of its control; "" where it is not stored
    control_correct: str = ""


@dataclass(frozen=True)
class Status:
    """State, progress and queue position of a run. Times are in seconds, 0 where they are not known."""

    state: str
    done: int = 0  # steps
    total: int = 0  # steps
    seconds: float = 0.0  # of training
    remaining: float = 0.0
    ahead: int = 0  # runs before it in the queue
    pace: float = 0.0  # seconds per epoch at least
    notice: str = ""  # a sentence on a problem around the run and its consequence
    wait: float = 0.0  # until it begins, by the remaining time of the runs that train now
    device: str = ""  # on which it trains, where there are several

    @property
    def is_active(self) -> bool:
        """Whether the run is queued, training or paused."""
        return self.state in ACTIVE
