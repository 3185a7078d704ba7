"""Estimated duration of a sweep, from similar finished sweeps or from a trial of its training."""

from __future__ import annotations

import atexit
import contextlib
import functools
import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from kd_core.config.plan import steps_per_epoch
from kd_core.config.run import RunConfig
from kd_core.config.sweep import GROUPS, Sweep
from kd_core.datasets import load
from kd_core.schemes import plan_of
from kd_core.training.loop import GroupTrainer
from kd_core.training.vectorized.compatibility import split_into_groups

log = logging.getLogger(__name__)

SECONDS = 0.7  # of training that are timed
PATIENCE = 20.0  # seconds after which a trial ends in any case
MAX_RUNS = 250  # in a trial, since as many copies of a network are built
SIMILAR = 4.0  # largest ratio of the numbers of runs of two sweeps of the same speed


@dataclass(frozen=True)
class FinishedSweep:
    """Finished sweep and the seconds it took."""

    sweep: Sweep
    seconds: float


def steps(config: RunConfig) -> int:
    """Return the optimizer steps of a run, without those of a teacher that is cached."""
    data = load(config.dataset)
    phases = [phase for phase in plan_of(config) if not phase.is_kept]
    return sum(phase.recipe.epochs * steps_per_epoch(phase, data) for phase in phases)


@functools.lru_cache(maxsize=64)
def total_steps(sweep: Sweep) -> int:
    """Return the steps of all runs of a sweep. Raises ValueError for a combination of values that is not allowed."""
    return sum(steps(config) for config in sweep.configs())


def speed_key(sweep: Sweep) -> tuple[object, ...]:
    """Return what sweeps of the same speed share, such as data set, networks, method, scheme and device."""
    base = sweep.base
    return (
        base.dataset, base.student, base.teacher, base.method.name, base.scheme, base.recipe.batch_size,
        base.basics.control, base.augmentation, base.compute, {axis.option for axis in sweep.axes} & {"batch_size"},
        {axis for axis in sweep.axes if axis.option in GROUPS},
    )  # fmt: skip


def estimate_from_past(sweep: Sweep, past: Sequence[FinishedSweep]) -> float | None:
    """Return the seconds of a sweep at the speed of the first similar one of ``past``; None if there is none."""
    for finished in past:
        is_near = 1 / SIMILAR <= finished.sweep.count / sweep.count <= SIMILAR
        if finished.seconds > 0 and is_near and speed_key(finished.sweep) == speed_key(sweep):
            steps_done = total_steps(finished.sweep)
            if steps_done:
                return finished.seconds / steps_done * total_steps(sweep)
    return None


def estimate_by_trial(sweep: Sweep, device: str, is_wanted: threading.Event) -> float:
    """Return the seconds of a sweep, estimated by training its largest group for up to :data:`SECONDS`.

    The teacher is not trained, since that changes no speed; its training is extra where it is not cached. Raises
    ValueError where no step was done.
    """
    configs = sweep.configs()
    largest = max(split_into_groups(configs), key=len)
    trainer = GroupTrainer([_without_teacher_training(configs[number]) for number in largest[:MAX_RUNS]], device=device)
    first: tuple[int, float] | None = None
    began = now = time.monotonic()
    done = 0
    for chunk in trainer.chunks():
        deque(chunk, 0)  # the events are of no interest
        now, done = time.monotonic(), trainer.position[0]
        if first is None and done:  # building and compiling happen once, before the first step
            first = done, now
        if not is_wanted.is_set() or now - began > PATIENCE or (first and now - first[1] > SECONDS):
            break
    if first is None:
        raise ValueError("No step was done in the time allowed for it.")
    steps_timed, seconds = (done - first[0], now - first[1]) if done > first[0] else (done, now - began)
    return seconds / max(1, steps_timed) * total_steps(sweep) + (first[1] - began)


def _without_teacher_training(config: RunConfig) -> RunConfig:
    with contextlib.suppress(ValueError):
        return config.with_flat(teacher_epochs="0")
    return config


class SweepEstimator:
    """Runs one trial at a time in a thread, and keeps the estimates until the process ends."""

    def __init__(self) -> None:
        self._estimates: dict[Sweep, float | None] = {}
        self._current: Sweep | None = None
        self._is_wanted = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def request(self, sweep: Sweep, device: str) -> bool:
        """Start a trial of a sweep unless another one is running; return whether an estimate is still to come."""
        with self._lock:
            if sweep in self._estimates:
                return False
            if self._current is None:
                self._current = sweep
                self._is_wanted.set()
                self._thread = threading.Thread(
                    target=self._try, args=(sweep, device), name="trial of a sweep", daemon=True
                )
                self._thread.start()
            return True

    def seconds(self, sweep: Sweep) -> float | None:
        """Return the estimate; None if there is none, or none yet."""
        return self._estimates.get(sweep)

    def stop(self) -> None:
        """Stop the trial, for a sweep that is about to be trained itself."""
        self._is_wanted.clear()

    def close(self, patience: float = 3.0) -> None:
        """Stop the trial and wait for it, since torch aborts a process that ends in the middle of a step."""
        self.stop()
        if self._thread is not None:
            self._thread.join(patience)

    def _try(self, sweep: Sweep, device: str) -> None:
        seconds = None
        try:
            seconds = estimate_by_trial(sweep, device, self._is_wanted)
        except ValueError as error:
            log.debug("no estimate from a trial: %s", error)
        except Exception:  # a missing estimate stops nobody
            log.exception("the trial of a sweep failed")
        with self._lock:
            if self._is_wanted.is_set():  # otherwise the trial was stopped too early
                self._estimates[sweep] = seconds
            self._current = None


@functools.cache
def get_estimator() -> SweepEstimator:
    """Return the estimator of this process."""
    estimator = SweepEstimator()
    atexit.register(estimator.close)
    return estimator
