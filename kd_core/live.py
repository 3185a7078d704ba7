"""The live options of a run: those in force, those asked for by hand, and those that are to be repeated."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

from kd_core.config import RunConfig
from kd_core.events import Adjusted


class Live:
    """``repeat``: changes once made by hand, in their order, which come into force again where they did."""

    def __init__(self, config: RunConfig, repeat: Sequence[Adjusted]) -> None:
        self._allowed = config.live_options()
        self.values: dict[str, float] = config.live_values()  # in force
        self.wanted: dict[str, float] = {}  # before the next step
        self._repeat = deque(repeat)

    def ask(self, changes: Mapping[str, float]) -> None:
        """Raises ValueError."""
        for name, value in changes.items():
            if name not in self._allowed:
                raise ValueError(f"{name}: cannot be changed while a run trains; {', '.join(self._allowed)} can.")
            self.wanted[name] = self._allowed[name].check(name, value)

    def change(self, phase: str, step: int) -> list[Adjusted]:
        """Puts into force what is due before step ``step + 1`` of a phase, and says what has changed."""
        while self._repeat and (self._repeat[0].phase, self._repeat[0].step) == (phase, step):
            again = self._repeat.popleft()
            self.wanted[again.option] = again.new
        said = [
            Adjusted(phase, step, option, self.values[option], value)
            for option, value in self.wanted.items()
            if value != self.values[option]
        ]
        self.wanted = {}
        self.values = self.values | {change.option: change.new for change in said}
        return said

    def steps_before_next(self, phase: str, step: int, most: int) -> int:
        """At most so many steps until something is to be repeated."""
        is_near = self._repeat and self._repeat[0].phase == phase and self._repeat[0].step > step
        return min(most, self._repeat[0].step - step) if is_near else most
