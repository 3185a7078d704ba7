"""Learning curves of runs over steps, epochs or seconds; thinning, smoothing, mean and interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from kd_core.analysis.intervals import mean_interval
from kd_core.base.events import PhaseInfo, Step, Validated, from_json
from kd_core.store.queries import RunQueries
from kd_core.store.step_codec import decode_steps

POINTS = 600  # per curve at most; a point of a longer one is the mean of several steps
STEP, EPOCH, SECONDS = "step", "epoch", "seconds"
ACCURACY, LOSS, AGREEMENT = "accuracy", "validation_loss", "agreement"  # on the validation set, after an epoch
TRAINING, RATE, PART = "training_loss", "learning_rate", "part "  # at every step; "part CE" is a part of that loss
MOST_SMOOTH = 0.95

Position = tuple[float, float, float]  # step, epoch and seconds


class TrainingAxis:
    """Steps and epochs of training that a network has behind it, counted over all its phases."""

    def __init__(self, phases: Sequence[PhaseInfo]) -> None:
        self.phases = {phase.name: phase for phase in phases}
        self._before: dict[str, dict[str, tuple[int, int]]] = {}  # by phase and role: steps and epochs before it
        totals: dict[str, tuple[int, int]] = {}
        for phase in phases:
            self._before[phase.name] = dict(totals)
            for role in phase.roles:
                steps, epochs = totals.get(role, (0, 0))
                totals[role] = steps + phase.epochs * phase.steps_per_epoch, epochs + phase.epochs
        self.total_steps = {role: steps for role, (steps, _) in totals.items()}

    def steps(self, role: str, phase: str, step: float) -> float:
        """Return the steps of a network after ``step`` steps of a phase."""
        return self._before[phase].get(role, (0, 0))[0] + step

    def epochs(self, role: str, phase: str, step: float) -> float:
        """Return the epochs of a network after ``step`` steps of a phase."""
        return self._before[phase].get(role, (0, 0))[1] + step / self.phases[phase].steps_per_epoch


Key = TypeVar("Key")


class CurveThinner(Generic[Key]):
    """Reduces curves of one value per step to points that are each the mean of several steps."""

    def __init__(self) -> None:
        self._sums: dict[Key, tuple[float, int]] = {}  # by curve, of the steps that are no point yet

    def add(self, curve: Key, value: float, steps_per_point: int) -> float | None:
        """Add a step to a curve; return the mean that completes a point, or None."""
        total, count = self._sums.get(curve, (0.0, 0))
        total, count = total + value, count + 1
        is_complete = count >= steps_per_point
        self._sums[curve] = (0.0, 0) if is_complete else (total, count)
        return total / count if is_complete else None

    def add_all(self, curve: Key, values: NDArray[np.float64], steps_per_point: int) -> list[tuple[int, float]]:
        """Add consecutive steps (N,) to a curve; return the index of each one that completes a point, and the point."""
        total, count = self._sums.get(curve, (0.0, 0))
        ends = range(steps_per_point - count, len(values) + 1, steps_per_point)
        *complete, rest = np.split(values, ends)
        sums = [float(piece.sum()) for piece in complete]
        if sums:
            sums[0], total = sums[0] + total, 0.0
        self._sums[curve] = total + float(rest.sum()), (count + len(values)) % steps_per_point
        return [(end - 1, piece / steps_per_point) for end, piece in zip(ends, sums, strict=True)]

    def rest(self) -> dict[Key, float]:
        """Return the mean of the last steps by curve, where they complete no point."""
        return {curve: total / count for curve, (total, count) in self._sums.items() if count}


def steps_per_point(steps: int, points: int) -> int:
    """Return how many steps make a point, so that a curve has at most that many points."""
    return max(1, math.ceil(steps / points))


@dataclass
class Curve:
    """One measure of one network; fractions in [0, 1], losses in nats.

    ``at`` has as many numbers for step, epoch and seconds, all counted from where this network began to learn.
    """

    at: dict[str, list[float]] = field(default_factory=lambda: {STEP: [], EPOCH: [], SECONDS: []})
    values: list[float] = field(default_factory=list)

    def add(self, position: Position, value: float) -> None:
        """Append a point."""
        for axis, number in zip((STEP, EPOCH, SECONDS), position, strict=True):
            self.at[axis].append(number)
        self.values.append(value)


@dataclass(frozen=True)
class MeanCurve:
    """Mean of several curves and its 95 % interval, point by point."""

    x: list[float]
    mean: list[float]
    low: list[float]
    high: list[float]


def read_curves(queries: RunQueries, run: str) -> dict[tuple[str, str], Curve]:
    """Return all curves of a run by (role, measure).

    Seconds are wall time between the stored rows of events, pauses included; the steps of one row are spread evenly
    over the time since the row before. A network that was reused from an earlier run took none.
    """
    prepared = queries.prepared(run)
    if prepared is None:
        return {}
    axis, thinner = TrainingAxis(prepared.phases), CurveThinner[tuple[str, str]]()
    sizes = {role: steps_per_point(steps, POINTS) for role, steps in axis.total_steps.items()}
    began: dict[str, float] = {}  # seconds, by role
    curves: dict[tuple[str, str], Curve] = {}
    latest: dict[tuple[str, str], Position] = {}

    def position(role: str, phase: str, step: int, seconds: float) -> Position:
        since = seconds - began.setdefault(role, seconds)
        return axis.steps(role, phase, step), axis.epochs(role, phase, step), since

    def add_step(step: Step, seconds: float) -> None:
        for key, value in _step_values(step):
            role = key[0]
            latest[key] = position(role, step.phase, step.step, seconds)
            mean = thinner.add(key, value, sizes.get(role, 1))
            if mean is not None:
                curves.setdefault(key, Curve()).add(latest[key], mean)

    previous = 0.0
    for _, at, kind, body, count in queries.event_rows(run, ("validated", "steps", "step")):
        if kind == "validated":
            event = from_json(str(body))
            assert isinstance(event, Validated)
            for name, by_role in ((ACCURACY, event.accuracy), (LOSS, event.loss), (AGREEMENT, event.agreement)):
                for role, value in by_role.items():
                    curves.setdefault((role, name), Curve()).add(position(role, event.phase, event.step, at), value)
        else:
            steps = decode_steps(body) if isinstance(body, bytes) else [from_json(body)]
            since = min(previous, at) if previous else at
            for number, step in enumerate(steps, start=1):
                assert isinstance(step, Step)
                add_step(step, since + (at - since) * number / count)
        previous = at
    for key, mean in thinner.rest().items():
        curves.setdefault(key, Curve()).add(latest[key], mean)
    return curves


def _step_values(step: Step) -> list[tuple[tuple[str, str], float]]:
    values = []
    for role, parts in step.parts.items():
        values += [((role, TRAINING), step.loss[role]), ((role, RATE), step.learning_rate)]
        values += [((role, PART + name), raw) for name, (raw, _) in parts.items()]
    return values


def smooth(values: Sequence[float], weight: float) -> list[float]:
    """Return the exponential moving average; ``weight`` of the past from 0 (none) to :data:`MOST_SMOOTH`.

    Corrected for the initial zero as Adam's moments are (Kingma & Ba 2015, section 3), so the first value stays.
    """
    weight, average, total, smoothed = min(max(weight, 0.0), MOST_SMOOTH), 0.0, 0.0, []
    for value in values:
        average, total = weight * average + (1 - weight) * value, weight * total + (1 - weight)
        smoothed.append(average / total)
    return smoothed


def mean_curve(curves: Sequence[tuple[Sequence[float], Sequence[float]]]) -> MeanCurve:
    """Return the mean and its 95 % interval over the curves (x, y), one per seed, by Student's t.

    It has a point at every x of the first curve that all of them reach; the others are interpolated linearly. Raises
    ValueError with fewer than two curves.
    """
    if len(curves) < 2:
        raise ValueError("A mean with an interval needs at least two curves.")
    first, last = max(x[0] for x, _ in curves), min(x[-1] for x, _ in curves)
    places = [place for place in curves[0][0] if first <= place <= last]
    if not places:
        return MeanCurve([], [], [], [])
    values = np.stack([np.interp(places, x, y) for x, y in curves])
    low, high = mean_interval(values)
    return MeanCurve(places, values.mean(0).tolist(), low.tolist(), high.tolist())
