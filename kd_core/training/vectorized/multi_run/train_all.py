"""Any runs at all: in stacks as large as they go, and what cannot be stacked one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kd_core.base.events import Event
from kd_core.config.run import RunConfig
from kd_core.training.loop import PhaseCache, Trainer
from kd_core.training.vectorized.compilation import AUTO
from kd_core.training.vectorized.multi_run.compatibility import stack_key, stack_incompatibility
from kd_core.training.vectorized.multi_run.loop import StackedTrainer
from kd_core.training.vectorized.multi_run.teachers import without_steps


def stack_groups(configs: Sequence[RunConfig]) -> list[list[int]]:
    """Positions of runs that can be trained together; a run that cannot be stacked stands alone."""
    found: dict[str, list[int]] = {}
    for number, config in enumerate(configs):
        found.setdefault(stack_key(config), []).append(number)
    parted = []
    for group in found.values():
        is_refused = stack_incompatibility([configs[number] for number in group])
        parted += [[number] for number in group] if is_refused else [group]
    return parted


def train_all(
    configs: Sequence[RunConfig], *, device: str | None = None, kept: PhaseCache | None = None, compiling: str = AUTO
) -> Iterator[tuple[int, Event]]:
    """Yield (position in ``configs``, event) of every run, stacked or not.

    ``kept`` and ``compiling`` are those of :class:`~kd_core.training.vectorized.multi_run.loop.StackedTrainer`.
    """
    kept = {} if kept is None else kept
    for group in stack_groups(configs):
        chosen = [configs[number] for number in group]
        if stack_incompatibility(chosen):
            yield from ((group[0], event) for event in without_steps(Trainer(chosen[0], device=device, cache=kept)))
        else:
            stacked = StackedTrainer(chosen, device=device, kept=kept, compiling=compiling)
            yield from ((group[number], event) for number, event in stacked)
