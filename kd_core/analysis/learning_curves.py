"""How the networks of stored runs learned: any measure over steps, epochs or seconds, smoothed, or several as one."""

from __future__ import annotations

import bisect
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from kd_core.analysis.verdict import confidence_interval
from kd_core.base.events import PhaseInfo, Prepared, Step, Validated, from_json
from kd_core.store.queries import RunQueries
from kd_core.store.step_codec import decode_steps

POINTS = 600  # of a curve at most; a longer one shows the mean of several steps
STEP, EPOCH, SECONDS = "step", "epoch", "seconds"
ACCURACY, LOSS, AGREEMENT = "accuracy", "validation_loss", "agreement"  # on the validation split, after an epoch
TRAINING, RATE, PART = "training_loss", "learning_rate", "part "  # at every step; "part CE" is a part of that loss
MOST_SMOOTH = 0.95


@dataclass
class Curve:
    """One measure of one network: shares in [0, 1], losses in nats. ``at`` has a list of the same length for each of
    step, epoch and seconds, all counted from where this network began to learn."""

    at: dict[str, list[float]] = field(default_factory=lambda: {STEP: [], EPOCH: [], SECONDS: []})
    values: list[float] = field(default_factory=list)

    def add(self, step: float, epoch: float, seconds: float, value: float) -> None:
        """One more point."""
        for name, place in ((STEP, step), (EPOCH, epoch), (SECONDS, seconds)):
            self.at[name].append(place)
        self.values.append(value)


@dataclass(frozen=True)
class MeanCurve:
    """The mean of several courses and its 95 % interval, point by point."""

    x: list[float]
    mean: list[float]
    low: list[float]
    high: list[float]


class _Clock:
    """When a network began, over all its phases, and where a step of a phase stands."""

    def __init__(self, prepared: Prepared) -> None:
        self.before: dict[tuple[str, str], tuple[int, int]] = {}  # (role, phase): steps and epochs of earlier phases
        self.phases: dict[str, PhaseInfo] = {phase.name: phase for phase in prepared.phases}
        self.began: dict[str, float] = {}
        done: dict[str, tuple[int, int]] = {}
        for phase in prepared.phases:
            for role in phase.roles:
                steps, epochs = self.before[role, phase.name] = done.get(role, (0, 0))
                done[role] = steps + phase.epochs * phase.steps_per_epoch, epochs + phase.epochs

    def place(self, role: str, phase: str, step: float, at: float) -> tuple[float, float, float]:
        """Step, epoch and seconds of a network."""
        steps, epochs = self.before.get((role, phase), (0, 0))
        began = self.began.setdefault(role, at)
        return steps + step, epochs + step / self.phases[phase].steps_per_epoch, at - began


def read_curves(ledger: RunQueries, run: str) -> dict[tuple[str, str], Curve]:
    """All curves of a run by (role, measure).

    Seconds are those of the clock between the rows of its events, pauses included; the steps of one row are spread
    evenly over the time since the row before. A network that was taken over from an earlier run took none.
    """
    prepared = ledger.prepared(run)
    if prepared is None:
        return {}
    clock, last = _Clock(prepared), 0.0
    found: dict[tuple[str, str], Curve] = {}
    groups = _groups(prepared)
    waiting: dict[tuple[str, str], list[tuple[float, float, float, float]]] = {}
    for _, at, kind, body, count in ledger.event_rows(run, ("validated", "steps", "step")):
        if kind == "validated":
            event = from_json(str(body))
            assert isinstance(event, Validated)
            for name, by_role in ((ACCURACY, event.accuracy), (LOSS, event.loss), (AGREEMENT, event.agreement)):
                for role, value in by_role.items():
                    place = clock.place(role, event.phase, event.step, at)
                    found.setdefault((role, name), Curve()).add(*place, value)
        else:
            steps = decode_steps(body) if isinstance(body, bytes) else [from_json(body)]
            since = min(last, at) if last else at
            for number, step in enumerate(steps, start=1):
                assert isinstance(step, Step)
                when = since + (at - since) * number / count
                for (role, name), value in _said(step):
                    place = clock.place(role, step.phase, step.step, when)
                    held = waiting.setdefault((role, name), [])
                    held.append((*place, value))
                    if len(held) >= groups.get(role, 1):
                        _mean_into(found.setdefault((role, name), Curve()), held)
        last = at
    for key, held in waiting.items():
        if held:
            _mean_into(found.setdefault(key, Curve()), held)
    return found


def _groups(prepared: Prepared) -> dict[str, int]:
    """How many steps of each network become one point."""
    totals: dict[str, int] = {}
    for phase in prepared.phases:
        for role in phase.roles:
            totals[role] = totals.get(role, 0) + phase.epochs * phase.steps_per_epoch
    return {role: max(1, math.ceil(total / POINTS)) for role, total in totals.items()}


def _said(step: Step) -> list[tuple[tuple[str, str], float]]:
    said = []
    for role, parts in step.parts.items():
        said += [((role, TRAINING), step.loss[role]), ((role, RATE), step.learning_rate)]
        said += [((role, PART + name), raw) for name, (raw, _) in parts.items()]
    return said


def _mean_into(course: Curve, held: list[tuple[float, float, float, float]]) -> None:
    """The place of the last of these steps, and the mean of their values."""
    course.add(*held[-1][:3], statistics.fmean(value for *_, value in held))
    held.clear()


def smooth(values: Sequence[float], share: float) -> list[float]:
    """Exponential moving average: ``share`` of what was before is kept, at most :data:`MOST_SMOOTH`; 0 alters nothing.

    Corrected for its beginning, as Adam's moments are (Kingma & Ba 2015, section 3): the first value stays what it is.
    """
    share, held, weight, found = min(max(share, 0.0), MOST_SMOOTH), 0.0, 0.0, []
    for value in values:
        held, weight = share * held + (1 - share) * value, share * weight + (1 - share)
        found.append(held / weight)
    return found


def mean_curve(members: Sequence[tuple[Sequence[float], Sequence[float]]]) -> MeanCurve:
    """Curves (x, y) as one: at every x of the first that all of them reach, their mean and 95 % interval (Student's t),
    with straight lines between points. Raises ValueError with fewer than two."""
    if len(members) < 2:
        raise ValueError("A mean with an interval needs at least two curves.")
    low, high = max(x[0] for x, _ in members), min(x[-1] for x, _ in members)
    places = [place for place in members[0][0] if low <= place <= high]
    columns = [[_between(x, y, place) for x, y in members] for place in places]
    intervals = [confidence_interval(column) for column in columns]
    means = [statistics.fmean(column) for column in columns]
    return MeanCurve(places, means, [edge for edge, _ in intervals], [edge for _, edge in intervals])


def _between(x: Sequence[float], y: Sequence[float], place: float) -> float:
    right = bisect.bisect_left(x, place)
    if x[right] == place or right == 0:
        return y[right]
    share = (place - x[right - 1]) / (x[right] - x[right - 1])
    return y[right - 1] + share * (y[right] - y[right - 1])
