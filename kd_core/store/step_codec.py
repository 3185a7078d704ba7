"""Packing of consecutive Step events into one row of the store, without loss."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Sequence
from typing import TypeVar

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


def decode_steps(packed: bytes) -> list[Step]:
    """Return the steps that :func:`encode_steps` encoded."""
    line, numbers = packed.split(b"\n", 1)
    head = json.loads(line)
    roles: dict[str, list[str]] = head["roles"]
    width = 2 + sum(1 + 2 * len(parts) for parts in roles.values())
    flat = struct.unpack(f"<{len(numbers) // 8}d", numbers)
    steps = []
    for offset in range(len(flat) // width):
        row = iter(flat[offset * width : (offset + 1) * width])
        epoch, rate = int(next(row)), next(row)
        loss: dict[str, float] = {}
        parts: dict[str, dict[str, list[float]]] = {}
        for role, names in roles.items():
            loss[role] = next(row)
            parts[role] = {name: [next(row), next(row)] for name in names}
        steps.append(Step(head["phase"], head["step"] + offset, epoch, parts, loss, rate))
    return steps


def _columns(step: Step) -> list[object]:
    columns: list[object] = [*step.loss]
    for role, parts in step.parts.items():
        columns += role, [*parts]
    return columns
