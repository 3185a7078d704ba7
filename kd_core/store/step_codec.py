"""Many steps in one row: the numbers of consecutive steps side by side, exactly as they were."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Sequence
from typing import TypeVar

from kd_core.base.events import Event, Step

MAX_STEPS_PER_ROW = 512  # steps in a row of the store
T = TypeVar("T")


def group_steps(said: Sequence[tuple[T, Event]]) -> Iterator[list[tuple[T, Event]]]:
    """The same in order: steps that follow each other in groups of at most :data:`MAX_STEPS_PER_ROW`, everything else
    alone."""
    group: list[tuple[T, Event]] = []
    next_: tuple[str, int] | None = None  # phase and number of the step that would go on with the group
    columns: list[object] = []  # of its first one
    for each in said:
        event = each[1]
        if not isinstance(event, Step):
            next_ = None
        elif next_ == (event.phase, event.step) and len(group) < MAX_STEPS_PER_ROW and _columns(event) == columns:
            group.append(each)
            next_ = event.phase, event.step + 1
            continue
        else:
            next_, columns = (event.phase, event.step + 1), _columns(event)
        if group:
            yield group
        group = [each]
    if group:
        yield group


def encode_steps(steps: Sequence[Step]) -> bytes:
    """Steps of one group: a line of JSON that names the columns, then the rows as float64."""
    first = steps[0]
    head = {"phase": first.phase, "step": first.step, "roles": {role: list(own) for role, own in first.parts.items()}}
    rows: list[float] = []
    for step in steps:
        rows += step.epoch, step.learning_rate
        for role, parts in step.parts.items():
            rows.append(step.loss[role])
            for values in parts.values():
                rows += values
    return json.dumps(head, separators=(",", ":")).encode() + b"\n" + struct.pack(f"<{len(rows)}d", *rows)


def decode_steps(packed: bytes) -> list[Step]:
    """What :func:`encode_steps` was given."""
    line, numbers = packed.split(b"\n", 1)
    head = json.loads(line)
    roles: dict[str, list[str]] = head["roles"]
    width = 2 + sum(1 + 2 * len(parts) for parts in roles.values())
    flat = struct.unpack(f"<{len(numbers) // 8}d", numbers)
    steps = []
    for at in range(len(flat) // width):
        row = iter(flat[at * width : (at + 1) * width])
        epoch, rate = int(next(row)), next(row)
        loss: dict[str, float] = {}
        parts: dict[str, dict[str, list[float]]] = {}
        for role, names in roles.items():
            loss[role] = next(row)
            parts[role] = {name: [next(row), next(row)] for name in names}
        steps.append(Step(head["phase"], head["step"] + at, epoch, parts, loss, rate))
    return steps


def _columns(step: Step) -> list[object]:
    columns: list[object] = [*step.loss]
    for role, parts in step.parts.items():
        columns += role, [*parts]
    return columns
