"""Options changed during training, recorded and replayed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kd_core.base.events import Adjusted
from kd_core.config.run import RunConfig


def check_live_options(config: RunConfig, changes: Mapping[str, float | str]) -> dict[str, float]:
    """Return the new values of live options as numbers. Raises ValueError with the name, the value and the range."""
    allowed = config.live_options()
    for name in changes:
        if name not in allowed:
            raise ValueError(f"{name}: cannot be changed while a run trains; {', '.join(allowed)} can.")
    return {name: allowed[name].check(name, value) for name, value in changes.items()}


class LiveOptions:
    """Live options of a run, those in force and those requested, and recorded changes to replay.

    Each of the ``recorded`` changes comes into force again at the phase and step where it did. Those of steps before a
    checkpoint that the run resumes from have no effect: they are in force already.
    """

    def __init__(self, config: RunConfig, recorded: Sequence[Adjusted]) -> None:
        self.values: dict[str, float] = config.live_values()  # in force
        self.pending: dict[str, float] = {}  # come into force before the next step
        self._recorded: dict[tuple[str, int], dict[str, float]] = {}  # by phase and step
        for change in recorded:
            self._recorded.setdefault((change.phase, change.step), {})[change.option] = change.new

    def request(self, changes: Mapping[str, float]) -> None:
        """Request changes, already validated, before the next step."""
        self.pending |= changes

    def apply_due(self, phase: str, step: int) -> list[Adjusted]:
        """Put the changes due after ``step`` steps of a phase into force, and return those that change a value."""
        self.pending |= self._recorded.pop((phase, step), {})
        events = [
            Adjusted(phase, step, option, self.values[option], value)
            for option, value in self.pending.items()
            if value != self.values[option]
        ]
        self.pending = {}
        self.values = self.values | {event.option: event.new for event in events}
        return events

    def steps_before_next(self, phase: str, step: int, limit: int) -> int:
        """Return the number of steps until the next recorded change, at most ``limit``."""
        distances = (
            recorded_step - step
            for recorded_phase, recorded_step in self._recorded
            if recorded_phase == phase and recorded_step > step
        )
        return min(limit, min(distances, default=limit))
