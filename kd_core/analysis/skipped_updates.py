"""Updates that a run skipped because a float16 gradient overflowed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from kd_core.base.events import Event, PhaseInfo, Skipped, Validated

SKIPPED_EVENTS = ("skipped", "validated")  # that :func:`count_skipped` reads
Counts = Mapping[str, tuple[int, int]]  # by phase: skipped updates, of how many


def count_skipped(events: Iterable[Event]) -> Counts:
    """Return the skipped updates of every phase that has some, and its steps up to the last evaluation or skip."""
    skipped: dict[str, int] = {}
    steps: dict[str, int] = {}
    for event in events:
        if isinstance(event, Skipped):
            skipped[event.phase] = skipped.get(event.phase, 0) + 1
        if isinstance(event, Skipped | Validated):
            steps[event.phase] = max(event.step, steps.get(event.phase, 0))
    return {phase: (count, steps[phase]) for phase, count in skipped.items()}


def skipped_by_role(counts: Counts, phases: Sequence[PhaseInfo]) -> dict[str, int]:
    """Return the skipped updates of every network that was trained, over all of its phases."""
    by_role: dict[str, int] = {}
    for phase in phases:
        for role in phase.roles:
            by_role[role] = by_role.get(role, 0) + counts.get(phase.name, (0, 0))[0]
    return by_role


def skipped_sentence(counts: Counts) -> str:
    """Return the counts as a sentence, empty where nothing was skipped."""
    clauses = [f"{count:,} of {steps:,} updates of the phase “{phase}”" for phase, (count, steps) in counts.items()]
    verb = "was" if sum(count for count, _ in counts.values()) == 1 else "were"
    text = f"At 16 bits {' and '.join(clauses)} {verb} skipped, for all networks of a phase alike."
    return text if clauses else ""
