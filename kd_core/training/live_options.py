"""The live options of a run: those in force, those asked for by hand, and those that are to be repeated."""

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
    """``repeat``: changes once made by hand, which come into force again where they did. Those of earlier steps than
    the run begins at do nothing: they are in force already."""

    def __init__(self, config: RunConfig, repeat: Sequence[Adjusted]) -> None:
        self.values: dict[str, float] = config.live_values()  # in force
        self.pending: dict[str, float] = {}  # before the next step
        self._repeat: dict[tuple[str, int], dict[str, float]] = {}
        for change in repeat:
            self._repeat.setdefault((change.phase, change.step), {})[change.option] = change.new

    def request(self, changes: Mapping[str, float]) -> None:
        """Changes validated options before the next step."""
        self.pending |= changes

    def apply_due(self, phase: str, step: int) -> list[Adjusted]:
        """Puts into force what is due before step ``step + 1`` of a phase, and says what has changed."""
        self.pending |= self._repeat.pop((phase, step), {})
        said = [
            Adjusted(phase, step, option, self.values[option], value)
            for option, value in self.pending.items()
            if value != self.values[option]
        ]
        self.pending = {}
        self.values = self.values | {change.option: change.new for change in said}
        return said

    def steps_before_next(self, phase: str, step: int, most: int) -> int:
        """At most so many steps until something is to be repeated."""
        ahead = (at - step for own, at in self._repeat if own == phase and at > step)
        return min(most, min(ahead, default=most))
