"""Packing of consecutive Step events into one row of the store, without loss."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from kd_core.base.events import Event, Step

MAX_STEPS_PER_ROW = 512
T = TypeVar("T")


def group_steps(events: Sequence[tuple[T, Event]]) -> Iterator[list[tuple[T, Event]]]:
    """Yield the events in order, consecutive steps in groups of at most :data:`MAX_STEPS_PER_ROW`, others alone."""
    group: list[tuple[T, Event]] = []
    next_: tuple[str, int] | None = None  # phase and number of the step that would continue the group
    columns: list[object] = []  # of the steps of the group
    for item in events:
        event = item[1]
        if not isinstance(event, Step):
            next_ = None
        elif next_ == (event.phase, event.step) and len(group) < MAX_STEPS_PER_ROW and _columns(event) == columns:
            group.append(item)
            next_ = event.phase, event.step + 1
            continue
        else:
            next_, columns = (event.phase, event.step + 1), _columns(event)
        if group:
            yield group
        group = [item]
    if group:
        yield group


def encode_steps(steps: Sequence[Step]) -> bytes:
    """Encode the steps of one group as a line of JSON that names the columns and rows of float64."""
    first = steps[0]
    roles = {role: list(parts) for role, parts in first.parts.items()}
    head = {"phase": first.phase, "step": first.step, "roles": roles}
    numbers: list[float] = []
    for step in steps:
        numbers += step.epoch, step.learning_rate
        for role, parts in step.parts.items():
            numbers.append(step.loss[role])
            for values in parts.values():
                numbers += values
    return json.dumps(head, separators=(",", ":")).encode() + b"\n" + struct.pack(f"<{len(numbers)}d", *numbers)


@dataclass(frozen=True)
class StepBlock:
    """Consecutive steps of a phase, whose numbers are read without an object for each of them.

    Attributes:
        phase: the phase.
        first: number of the first step.
        parts: names of the loss parts, by role.
        numbers: (N, columns) float64: epoch, learning rate, and for each role its loss, and for each part of it the raw
            and the weighted value.
    """

    phase: str
    first: int
    parts: dict[str, list[str]]
    numbers: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.numbers)

    def without(self, count: int) -> StepBlock:
        """Return the block without its first ``count`` steps."""
        return replace(self, first=self.first + count, numbers=self.numbers[count:])

    def loss(self, role: str) -> NDArray[np.float64]:
        """Return the loss (N,) of a role."""
        return self.numbers[:, self._column(role)]

    def part(self, role: str, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the raw and the weighted values (N,) of a loss part."""
        column = self._column(role) + 1 + 2 * self.parts[role].index(name)
        return self.numbers[:, column], self.numbers[:, column + 1]

    def steps(self) -> list[Step]:
        """Return the steps as events."""
        steps = []
        for number, row in enumerate(self.numbers.tolist(), start=self.first):
            epoch, rate, *values = row
            column = iter(values)
            loss: dict[str, float] = {}
            parts: dict[str, dict[str, list[float]]] = {}
            for role, names in self.parts.items():
                loss[role] = next(column)
                parts[role] = {name: [next(column), next(column)] for name in names}
            steps.append(Step(self.phase, number, int(epoch), parts, loss, rate))
        return steps

    def _column(self, role: str) -> int:
        """Return the column of a role's loss."""
        column = 2
        for other, names in self.parts.items():
            if other == role:
                return column
            column += 1 + 2 * len(names)
        raise KeyError(role)


def read_block(packed: bytes) -> StepBlock:
    """Return the steps that :func:`encode_steps` encoded."""
    line, numbers = packed.split(b"\n", 1)
    head = json.loads(line)
    parts: dict[str, list[str]] = head["roles"]
    width = 2 + sum(1 + 2 * len(names) for names in parts.values())
    return StepBlock(head["phase"], head["step"], parts, np.frombuffer(numbers, "<f8").reshape(-1, width))


def decode_steps(packed: bytes) -> list[Step]:
    """Return the steps that :func:`encode_steps` encoded, as events."""
    return read_block(packed).steps()


def _columns(step: Step) -> list[object]:
    columns: list[object] = [*step.loss]
    for role, parts in step.parts.items():
        columns += role, [*parts]
    return columns
