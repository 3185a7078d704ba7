"""Training of single runs as an iterable of events.

    for event in Trainer(config):
        print(event)

Events are those of :mod:`kd_core.base.events`. Between two of them the caller may :meth:`~Trainer.adjust` a live
option, :meth:`~Trainer.stop` the run, or take a :meth:`~Trainer.checkpoint`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import nn

from kd_core.base.events import Adjusted, Event, Switched
from kd_core.config.run import RunConfig
from kd_core.files.checkpoint import Checkpoint
from kd_core.training.group import CHECKPOINT_VERSION, GroupTrainer, PhaseCache
from kd_core.training.live_options import check_live_options
from kd_core.training.vectorized.compatibility import split_into_groups
from kd_core.training.vectorized.compilation import AUTO

__all__ = ["CHECKPOINT_VERSION", "GroupTrainer", "PhaseCache", "Trainer", "train_all"]


class Trainer(GroupTrainer):
    """Iterable that trains one run and yields its events.

    Arguments are those of :class:`GroupTrainer` for a single configuration.
    """

    is_brief = False

    def __init__(
        self,
        config: RunConfig,
        *,
        device: str | None = None,
        cache: PhaseCache | None = None,
        adjustments: Sequence[Adjusted | Switched] = (),
        resume: Checkpoint | None = None,
    ) -> None:
        super().__init__([config], device=device, cache=cache, adjustments=adjustments, resume=resume)

    def __iter__(self) -> Iterator[Event]:  # type: ignore[override]
        for _, event in super().__iter__():
            yield event

    @property
    def networks(self) -> dict[str, nn.Module]:
        """The networks trained so far, by role."""
        return self.networks_of(0)

    def adjust(self, **changes: float) -> None:
        """Change live options (temperature, alpha, learning_rate) before the next step. Raises ValueError."""
        self.live.request(check_live_options(self.config, changes))


def train_all(
    configs: Sequence[RunConfig], *, device: str | None = None, cache: PhaseCache | None = None, compiling: str = AUTO
) -> Iterator[tuple[int, Event]]:
    """Yield (position in ``configs``, event) of every run, trained side by side where possible.

    ``cache`` and ``compiling`` are those of :class:`GroupTrainer`.
    """
    cache = {} if cache is None else cache
    for group in split_into_groups(configs):
        members = [configs[number] for number in group]
        trainer = GroupTrainer(members, cache=cache, device=device, compiling=compiling)
        yield from ((group[number], event) for number, event in trainer)
