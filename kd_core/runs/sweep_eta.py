"""How long a sweep would take: from the pace of earlier sweeps, or from a stretch of its own training, tried out."""

from __future__ import annotations

import atexit
import contextlib
import functools
import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from kd_core.config.plan import steps_per_epoch
from kd_core.config.run import RunConfig
from kd_core.config.sweep import Sweep
from kd_core.datasets import load
from kd_core.runs.sweep_groups import RunGroup, split_into_groups
from kd_core.schemes import plan_of

log = logging.getLogger(__name__)

SECONDS = 0.7  # of training that are timed
PATIENCE = 20.0  # seconds until a stretch ends that does not come so far
TOGETHER = 250  # runs that are tried out at once: as many copies of a network are built for it
NEAR = 4.0  # a sweep of so many times more or fewer runs has a pace of its own


@dataclass(frozen=True)
class FinishedSweep:
    """A finished sweep and the seconds it took."""

    sweep: Sweep
    seconds: float


def steps(config: RunConfig) -> int:
    """Optimiser steps of a run beside the training of a teacher that is kept for others."""
    data = load(config.dataset)
    phases = [phase for phase in plan_of(config) if not phase.is_kept]
    return sum(phase.recipe.epochs * steps_per_epoch(phase, data) for phase in phases)


@functools.lru_cache(maxsize=64)
def total_steps(sweep: Sweep) -> int:
    """Steps of all its runs. Raises ValueError for values that are refused together."""
    return sum(steps(config) for config in sweep.configs())


def likeness(sweep: Sweep) -> tuple[object, ...]:
    """What sweeps of the same pace have in common: data, networks, method, arrangement, batches, device."""
    base = sweep.base
    return (
        base.dataset, base.student, base.teacher, base.method.name, base.scheme, base.recipe.batch_size,
        base.basics.control, base.augmentation, base.compute, {axis.option for axis in sweep.axes} & {"batch_size"},
    )  # fmt: skip


def estimate_from_past(sweep: Sweep, past: Sequence[FinishedSweep]) -> float | None:
    """Seconds that ``sweep`` would take at the pace of the first of ``past`` that is like it; None if none is."""
    for own in past:
        is_near = 1 / NEAR <= own.sweep.count / sweep.count <= NEAR
        if own.seconds > 0 and is_near and likeness(own.sweep) == likeness(sweep) and total_steps(own.sweep):
            return own.seconds / total_steps(own.sweep) * total_steps(sweep)
    return None


def estimate_by_trial(sweep: Sweep, device: str, is_wanted: threading.Event) -> float:
    """Seconds that a sweep would take, from up to :data:`SECONDS` of its largest stack, whose weights are thrown away.

    The teacher is tried out untrained, since it answers as fast; its own training comes on top where it is not kept.
    Raises ValueError where no step was done.
    """
    runs = {str(number): config for number, config in enumerate(sweep.configs())}
    largest = max(split_into_groups(runs), key=len)
    some = {name: _untaught(config) for name, config in list(largest.items())[:TOGETHER]}
    group = RunGroup(some, device, {})
    first: tuple[int, float] | None = None
    began = now = time.monotonic()
    done = 0
    for _ in group:
        now, done = time.monotonic(), group.position[0]
        group.events.clear()
        if first is None and done:  # what is built and compiled before the first step is done once
            first = done, now
        if not is_wanted.is_set() or now - began > PATIENCE or (first and now - first[1] > SECONDS):
            break
    if first is None:
        raise ValueError("No step was done in the time allowed for it.")
    counted, seconds = (done - first[0], now - first[1]) if done > first[0] else (done, now - began)
    return seconds / max(1, counted) * total_steps(sweep) + (first[1] - began)


def _untaught(config: RunConfig) -> RunConfig:
    with contextlib.suppress(ValueError):
        return config.with_flat(teacher_epochs="0")
    return config


class SweepEstimator:
    """One thread tries out what was asked for last; whatever it found is remembered until the process ends."""

    def __init__(self) -> None:
        self._found: dict[Sweep, float | None] = {}
        self._asked: Sweep | None = None
        self._is_wanted = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def request(self, sweep: Sweep, device: str) -> bool:
        """Begins to try it out unless something else is; whether it is being tried out now."""
        with self._lock:
            if sweep in self._found:
                return False
            if self._asked is None:
                self._asked = sweep
                self._is_wanted.set()
                name = "trying out a sweep"
                self._thread = threading.Thread(target=self._try, args=(sweep, device), name=name, daemon=True)
                self._thread.start()
            return True

    def seconds(self, sweep: Sweep) -> float | None:
        """What was found; None if nothing was, or not yet."""
        return self._found.get(sweep)

    def stop(self) -> None:
        """Ends what is tried out: the training itself is about to begin."""
        self._is_wanted.clear()

    def close(self, patience: float = 3.0) -> None:
        """Ends what is tried out and waits for it: torch aborts a process that ends in the middle of a step."""
        self.stop()
        if self._thread is not None:
            self._thread.join(patience)

    def _try(self, sweep: Sweep, device: str) -> None:
        found = None
        try:
            found = estimate_by_trial(sweep, device, self._is_wanted)
        except ValueError as error:
            log.debug("a sweep could not be tried out: %s", error)
        except Exception:  # an estimate is no reason to bother anybody
            log.exception("a sweep could not be tried out")
        with self._lock:
            if self._is_wanted.is_set():  # else it was cut short, and says nothing
                self._found[sweep] = found
            self._asked = None


@functools.cache
def get_estimator() -> SweepEstimator:
    """The one of this process."""
    rehearsals = SweepEstimator()
    atexit.register(rehearsals.close)
    return rehearsals
