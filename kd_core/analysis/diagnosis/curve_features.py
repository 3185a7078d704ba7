"""The course of a training in a few numbers: how far it fell, whether it still rises, whether it leapt."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from kd_core.base.events import Adjusted, Event, Prepared, Step, Validated

EVENTS = ("prepared", "step", "validated", "adjusted")  # those that :func:`read_curve_features` looks at
FEWEST = 4  # looks of which it can be said whether they rise


@dataclass(frozen=True)
class CurveFeatures:
    """One network in its last phase.

    ``accuracy`` on the validation split at every look but the first, a share. ``loss``: what was minimised, in nats,
    the mean of every epoch. ``pull``: the weighted parts of it that come from the teacher, in nats, mean of the first
    epoch. ``peak``: the greatest loss of a step as a multiple of the first step's.
    """

    accuracy: tuple[float, ...] = ()
    loss: tuple[float, ...] = ()
    pull: float = 0.0
    peak: float = 1.0

    @property
    def rise(self) -> float:
        """The mean accuracy of the last quarter less that of the quarter before it; 0 where there is too little."""
        part = max(2, len(self.accuracy) // 4)
        if len(self.accuracy) < max(FEWEST, 2 * part):
            return 0.0
        return fmean(self.accuracy[-part:]) - fmean(self.accuracy[-2 * part : -part])

    @property
    def left(self) -> float:
        """The loss of the last epoch as a share of the first one's; 1 where there is nothing to compare."""
        return self.loss[-1] / self.loss[0] if len(self.loss) > 1 and self.loss[0] else 1.0

    @property
    def rebound(self) -> float:
        """How far the epochs' loss once rose above an earlier epoch's, as a share of the first one's."""
        lowest, furthest = float("inf"), 0.0
        for loss in self.loss:
            lowest = min(lowest, loss)
            furthest = max(furthest, loss - lowest)
        return furthest / self.loss[0] if self.loss and self.loss[0] else 0.0


@dataclass(frozen=True)
class RunCurves:
    """What a run said: ``curves`` by role, ``parameters`` by role, and the live options that were changed by hand,
    each with its last value."""

    curves: dict[str, CurveFeatures] = field(default_factory=dict)
    parameters: dict[str, int] = field(default_factory=dict)
    changed: dict[str, float] = field(default_factory=dict)


def read_curve_features(
    events: Iterable[Event], roles: Sequence[str], from_labels: Sequence[str] = ("CE",)
) -> RunCurves:
    """The course of these roles; ``from_labels`` are the parts of a loss that come from no teacher."""
    phase: dict[str, str] = {}
    looks: dict[str, list[float]] = {}
    losses: dict[str, dict[int, list[float]]] = {}
    pulls: dict[str, list[float]] = {}
    parameters: dict[str, int] = {}
    changed: dict[str, float] = {}
    for event in events:
        match event:
            case Prepared():
                parameters = {network.role: network.parameters for network in event.networks}
            case Adjusted():
                changed[event.option] = event.new
            case Validated() | Step():
                for role in roles:
                    if role not in (event.accuracy if isinstance(event, Validated) else event.loss):
                        continue
                    if phase.setdefault(role, event.phase) != event.phase:  # it goes on in another phase
                        phase[role] = event.phase
                        looks[role], losses[role], pulls[role] = [], {}, []
                    if isinstance(event, Step):
                        losses.setdefault(role, {}).setdefault(event.epoch, []).append(event.loss[role])
                        if event.epoch == 1:
                            parts = event.parts[role].items()
                            told = sum(weighted for name, (_, weighted) in parts if name not in from_labels)
                            pulls.setdefault(role, []).append(told)
                    elif event.epoch:
                        looks.setdefault(role, []).append(event.accuracy[role])
    return RunCurves({role: _curves(looks.get(role, []), losses.get(role, {}), pulls.get(role, [])) for role in roles},
                  parameters, changed)  # fmt: skip


def _curves(looks: list[float], losses: dict[int, list[float]], pulls: list[float]) -> CurveFeatures:
    steps = [loss for epoch in losses.values() for loss in epoch]
    peak = max(steps) / steps[0] if steps and steps[0] > 0 else 1.0
    means = tuple(fmean(epoch) for epoch in losses.values())
    return CurveFeatures(tuple(looks), means, fmean(pulls) if pulls else 0.0, peak)
