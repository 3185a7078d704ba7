"""A sweep at work: its runs in stacks as large as they go, the others one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch import nn

from kd_core.base.events import Event, Step
from kd_core.config.plan import PhasePlan
from kd_core.config.run import RunConfig
from kd_core.files.checkpoint import Checkpoint
from kd_core.store import weight_snapshots
from kd_core.training.loop import PhaseCache, Trainer
from kd_core.training.vectorized.multi_run.compatibility import stack_incompatibility
from kd_core.training.vectorized.multi_run.loop import StackedTrainer
from kd_core.training.vectorized.multi_run.train_all import stack_groups

END = ""  # in the place of a phase's name
LIMIT = 64_000_000  # bytes of weights that all runs of a stack may leave behind


class RunGroup:
    """Some runs of a sweep, by id, that are trained together; or one alone. Iterating it trains, and yields whenever it
    can be interrupted; what was said by then is in :attr:`events`."""

    def __init__(
        self, members: Mapping[str, RunConfig], device: str, kept: PhaseCache, resume: Checkpoint | None = None
    ) -> None:
        configs = list(members.values())
        self.members = list(members)
        self.is_stacked = not stack_incompatibility(configs)
        self.events: list[tuple[str, Event]] = []
        self._training: StackedTrainer | Trainer
        if self.is_stacked:
            self._training = StackedTrainer(configs, device=device, kept=kept, resume=resume)
            self.phases: list[tuple[PhasePlan, ...]] = [tuple(plan) for plan in self._training.plans]
        else:
            self._training = Trainer(configs[0], device=device, cache=kept, resume=resume)
            self.phases = [tuple(self._training.phases)]

    def __iter__(self) -> Iterator[None]:
        for found in self._training:
            number, event = found if isinstance(found, tuple) else (0, found)
            if not isinstance(event, Step):  # a map needs none of them
                self.events.append((self.members[number], event))
            if not self._training.has_pending_events:
                yield

    @property
    def position(self) -> tuple[int, int]:
        """Steps done and in all, of all runs together."""
        return self._training.position

    def stop(self) -> None:
        """Ends every run before its next step."""
        self._training.stop()

    def checkpoint(self) -> Checkpoint:
        """All that is needed to go on from here."""
        return self._training.checkpoint()

    def weights(self, run: str, looks: dict[str, int]) -> dict[int, bytes]:
        """The weights that a completed run leaves behind, by the number of the event that they belong to; ``looks``:
        that of the last look of each phase. A run that was stopped or failed is kept as it was judged: with its end,
        the only one of its ``looks``, under the name of no phase."""
        number = self.members.index(run)
        networks = (
            self._training.networks(number) if isinstance(self._training, StackedTrainer) else self._training.networks
        )
        left, found = dict(networks), dict[int, bytes]()
        if END in looks:
            trained = {own.role for phase in self.phases[number] for own in phase.learners}
            return self._fitting(looks[END], {role: own for role, own in left.items() if role in trained})
        for phase in reversed(self.phases[number]):  # a network that learned on is there as it was at the end
            own = {learner.role: left.pop(learner.role) for learner in phase.learners if learner.role in left}
            if own and phase.name in looks:
                found |= self._fitting(looks[phase.name], own)
        return found

    def _fitting(self, number: int, networks: dict[str, nn.Module]) -> dict[int, bytes]:
        packed = weight_snapshots.serialize_weights(weight_snapshots.copy_weights(networks)) if networks else b""
        return {number: packed} if packed and len(packed) * len(self.members) <= LIMIT else {}


def split_into_groups(members: Mapping[str, RunConfig]) -> list[dict[str, RunConfig]]:
    """The runs of a sweep in the groups that they are trained in."""
    runs, configs = list(members), list(members.values())
    return [{runs[at]: configs[at] for at in group} for group in stack_groups(configs)]
