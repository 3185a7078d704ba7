"""Training of any runs, in stacks as large as possible."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from torch import nn

from kd_core.base.events import Event
from kd_core.config.run import RunConfig
from kd_core.files.checkpoint import Checkpoint
from kd_core.training.loop import PhaseCache, Trainer
from kd_core.training.vectorized.compilation import AUTO
from kd_core.training.vectorized.multi_run.compatibility import stack_incompatibility, stack_key
from kd_core.training.vectorized.multi_run.loop import StackedTrainer
from kd_core.training.vectorized.multi_run.teachers import without_steps


def stack_groups(configs: Sequence[RunConfig]) -> list[list[int]]:
    """Return groups of positions of runs that can be trained together; a run that cannot be stacked is alone."""
    by_key: dict[str, list[int]] = {}
    for number, config in enumerate(configs):
        by_key.setdefault(stack_key(config), []).append(number)
    groups = []
    for group in by_key.values():
        is_incompatible = stack_incompatibility([configs[number] for number in group])
        groups += [[number] for number in group] if is_incompatible else [group]
    return groups


class GroupTrainer:
    """Trainer of one of the :func:`stack_groups`, which yields (position in the group, event).

    The event is None after steps, of which there are no events. Arguments are those of
    :class:`~kd_core.training.vectorized.multi_run.loop.StackedTrainer`.
    """

    def __init__(
        self,
        configs: Sequence[RunConfig],
        *,
        cache: PhaseCache,
        device: str | None = None,
        resume: Checkpoint | None = None,
        compiling: str = AUTO,
    ) -> None:
        self.trainer: Trainer | StackedTrainer
        if stack_incompatibility(configs):
            self.trainer = Trainer(configs[0], device=device, cache=cache, resume=resume)
            self.plans = [self.trainer.phases]
        else:
            self.trainer = StackedTrainer(configs, device=device, cache=cache, resume=resume, compiling=compiling)
            self.plans = self.trainer.plans

    def __iter__(self) -> Iterator[tuple[int, Event | None]]:
        if isinstance(self.trainer, StackedTrainer):
            yield from self.trainer
        else:
            yield from ((0, event) for event in without_steps(self.trainer))

    def networks(self, number: int) -> Mapping[str, nn.Module]:
        """Return the networks of a run of the group by role."""
        return self.trainer.networks(number) if isinstance(self.trainer, StackedTrainer) else self.trainer.networks


def train_all(
    configs: Sequence[RunConfig], *, device: str | None = None, cache: PhaseCache | None = None, compiling: str = AUTO
) -> Iterator[tuple[int, Event]]:
    """Yield (position in ``configs``, event) of every run, stacked or not.

    ``cache`` and ``compiling`` are those of :class:`~kd_core.training.vectorized.multi_run.loop.StackedTrainer`.
    """
    cache = {} if cache is None else cache
    for group in stack_groups(configs):
        members = [configs[number] for number in group]
        trainer = GroupTrainer(members, cache=cache, device=device, compiling=compiling)
        yield from ((group[number], event) for number, event in trainer if event is not None)
