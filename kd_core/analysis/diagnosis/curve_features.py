"""Features of the training curves of a run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from kd_core.base.events import Adjusted, Event, Prepared, Step, Validated

EVENTS = ("prepared", "step", "validated", "adjusted")  # that :func:`read_curve_features` reads
FEWEST = 4  # evaluations that show whether the accuracy rises


@dataclass(frozen=True)
class CurveFeatures:
    """Curves of one network in its last phase.

    Attributes:
        accuracy: Fraction of the validation set at every evaluation but the first.
        loss: Training loss in nats, the mean of every epoch.
        teacher_loss: Weighted loss parts that come from the teacher, in nats, the mean of the first epoch.
        peak: Greatest loss of a step as a multiple of the first step's.
    """

    accuracy: tuple[float, ...] = ()
    loss: tuple[float, ...] = ()
    teacher_loss: float = 0.0
    peak: float = 1.0

    @property
    def rise(self) -> float:
        """Mean accuracy of the last quarter minus that of the quarter before it; 0 with too few evaluations."""
        part = max(2, len(self.accuracy) // 4)
        if len(self.accuracy) < max(FEWEST, 2 * part):
            return 0.0
        return fmean(self.accuracy[-part:]) - fmean(self.accuracy[-2 * part : -part])

    @property
    def remaining(self) -> float:
        """Loss of the last epoch as a fraction of the first one's; 1 where there is nothing to compare."""
        return self.loss[-1] / self.loss[0] if len(self.loss) > 1 and self.loss[0] else 1.0

    @property
    def rebound(self) -> float:
        """Furthest rise of an epoch's loss above an earlier one, as a fraction of the first epoch's loss."""
        lowest, furthest = float("inf"), 0.0
        for loss in self.loss:
            lowest = min(lowest, loss)
            furthest = max(furthest, loss - lowest)
        return furthest / self.loss[0] if self.loss and self.loss[0] else 0.0


@dataclass(frozen=True)
class RunCurves:
    """Curves and parameter counts by role, and the last values of the live options that were changed by hand."""

    curves: dict[str, CurveFeatures] = field(default_factory=dict)
    parameters: dict[str, int] = field(default_factory=dict)
    changed: dict[str, float] = field(default_factory=dict)


@dataclass
class _PhaseCurves:
    """Raw curves of one network in one phase."""

    phase: str = ""
    accuracies: list[float] = field(default_factory=list)
    losses: dict[int, list[float]] = field(default_factory=dict)  # of the steps, by epoch
    teacher_losses: list[float] = field(default_factory=list)  # of the steps of the first epoch

    def features(self) -> CurveFeatures:
        steps = [loss for epoch in self.losses.values() for loss in epoch]
        peak = max(steps) / steps[0] if steps and steps[0] > 0 else 1.0
        means = tuple(fmean(epoch) for epoch in self.losses.values())
        return CurveFeatures(tuple(self.accuracies), means, fmean(self.teacher_losses or [0.0]), peak)


def read_curve_features(
    events: Iterable[Event], roles: Sequence[str], from_labels: Sequence[str] = ("CE",)
) -> RunCurves:
    """Return the curves of these roles; ``from_labels`` are the loss parts that come from no teacher."""
    curves = {role: _PhaseCurves() for role in roles}
    parameters: dict[str, int] = {}
    changed: dict[str, float] = {}
    for event in events:
        match event:
            case Prepared():
                parameters = {network.role: network.parameters for network in event.networks}
            case Adjusted():
                changed[event.option] = event.new
            case Validated() | Step():
                values = event.accuracy if isinstance(event, Validated) else event.loss
                for role in curves.keys() & values.keys():
                    if curves[role].phase != event.phase:  # the last phase of a network counts
                        curves[role] = _PhaseCurves(event.phase)
                    if isinstance(event, Step):
                        _add_step(curves[role], event, role, from_labels)
                    elif event.epoch:
                        curves[role].accuracies.append(values[role])
    return RunCurves({role: each.features() for role, each in curves.items()}, parameters, changed)


def _add_step(curves: _PhaseCurves, step: Step, role: str, from_labels: Sequence[str]) -> None:
    curves.losses.setdefault(step.epoch, []).append(step.loss[role])
    if step.epoch == 1:
        parts = step.parts[role].items()
        curves.teacher_losses.append(sum(weighted for name, (_, weighted) in parts if name not in from_labels))
