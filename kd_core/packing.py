"""Many steps in one row: the numbers of consecutive steps side by side, exactly as they were."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Sequence
from typing import TypeVar

from kd_core.events import Event, Step

MOST = 512  # steps in a row of the store
T = TypeVar("T")


def grouped(said: Sequence[tuple[T, Event]]) -> Iterator[list[tuple[T, Event]]]:
    """The same in order: steps that follow each other in groups of at most :data:`MOST`, everything else alone."""
    group: list[tuple[T, Event]] = []
    for each in said:
        if group and not (len(group) < MOST and _follows(group[-1][1], each[1])):
            yield group
            group = []
        group.append(each)
    if group:
        yield group


def pack(steps: Sequence[Step]) -> bytes:
    """Steps of one group: a line of JSON that names the columns, then the rows as float64."""
    first = steps[0]
    head = {"phase": first.phase, "step": first.step, "roles": {role: list(own) for role, own in first.parts.items()}}
    rows = [number for step in steps for number in _row(step)]
    return json.dumps(head, separators=(",", ":")).encode() + b"\n" + struct.pack(f"<{len(rows)}d", *rows)


def unpack(packed: bytes) -> list[Step]:
    """What :func:`pack` was given."""
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


def _follows(before: Event, event: Event) -> bool:
    return (
        isinstance(before, Step)
        and isinstance(event, Step)
        and (event.phase, event.step) == (before.phase, before.step + 1)
        and _columns(before) == _columns(event)
    )


def _columns(step: Step) -> list[list[str]]:
    return [list(step.parts), list(step.loss), *(list(parts) for parts in step.parts.values())]


def _row(step: Step) -> Iterator[float]:
    yield step.epoch
    yield step.learning_rate
    for role, parts in step.parts.items():
        yield step.loss[role]
        for raw, weighted in parts.values():
            yield raw
            yield weighted
