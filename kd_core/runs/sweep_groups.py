"""Groups of the runs of a sweep, which are trained stacked where they can be, and one by one otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from torch import nn

from kd_core.base.events import Event
from kd_core.config.plan import steps_per_epoch
from kd_core.config.run import RunConfig
from kd_core.datasets import load
from kd_core.files.checkpoint import Checkpoint
from kd_core.schemes import plan_of
from kd_core.store import weight_snapshots
from kd_core.training.loop import PhaseCache
from kd_core.training.vectorized.multi_run.compatibility import split_phases, stack_incompatibility
from kd_core.training.vectorized.multi_run.train_all import GroupTrainer, stack_groups

END = ""  # key of the final weights of a run that was not completed, in the place of a phase's name
LIMIT = 64_000_000  # bytes of stored weights of all runs of a group


class RunGroup:
    """Runs of a sweep, by id, that are trained stacked, or one run alone.

    Iterating trains them and yields whenever they can be interrupted; new events are appended to :attr:`events`.
    """

    def __init__(
        self, members: Mapping[str, RunConfig], device: str, teacher_cache: PhaseCache, resume: Checkpoint | None = None
    ) -> None:
        self.members = list(members)
        self.events: list[tuple[str, Event]] = []
        self._group = GroupTrainer(list(members.values()), device=device, cache=teacher_cache, resume=resume)
        self._trainer = self._group.trainer

    def __iter__(self) -> Iterator[None]:
        for number, event in self._group:
            if event is not None:
                self.events.append((self.members[number], event))
            if not self._trainer.has_pending_events:
                yield

    @property
    def position(self) -> tuple[int, int]:
        """Steps done and in total, of all runs together."""
        return self._trainer.position

    def stop(self) -> None:
        """End every run before its next step."""
        self._trainer.stop()

    def checkpoint(self) -> Checkpoint:
        """Return the state from which training can be resumed with the same numbers."""
        return self._trainer.checkpoint()

    def weights(self, run: str, evaluations: dict[str, int]) -> dict[int, bytes]:
        """Return the weights to store for an ended run, by the number of the event that they belong to.

        ``evaluations`` has the number of the last evaluation of each phase. For a run that was not completed it has
        that of its last event under :data:`END`, and the weights are those of its final evaluation.
        """
        number = self.members.index(run)
        networks, phases = dict(self._group.networks(number)), self._group.plans[number]
        if END in evaluations:
            trained = {learner.role for phase in phases for learner in phase.learners}
            networks = {role: network for role, network in networks.items() if role in trained}
            return self._serialize(evaluations[END], networks)
        weights: dict[int, bytes] = {}
        for phase in reversed(phases):  # a network of several phases is stored with its last one
            learned = {
                learner.role: networks.pop(learner.role) for learner in phase.learners if learner.role in networks
            }
            if learned and phase.name in evaluations:
                weights |= self._serialize(evaluations[phase.name], learned)
        return weights

    def _serialize(self, event: int, networks: dict[str, nn.Module]) -> dict[int, bytes]:
        blob = weight_snapshots.serialize_weights(weight_snapshots.copy_weights(networks)) if networks else b""
        return {event: blob} if blob and len(blob) * len(self.members) <= LIMIT else {}


def split_into_groups(members: Mapping[str, RunConfig]) -> list[dict[str, RunConfig]]:
    """Split the runs of a sweep into the groups that are trained together."""
    runs, configs = list(members), list(members.values())
    return [{runs[at]: configs[at] for at in group} for group in stack_groups(configs)]


def count_steps(configs: Sequence[RunConfig]) -> int:
    """Return the total steps of a group, the second number of :attr:`RunGroup.position`, before it is trained."""
    phases, data = plan_of(configs[0]), load(configs[0].dataset)
    counted = phases if stack_incompatibility(configs) else split_phases(phases)[1]
    return len(configs) * sum(phase.recipe.epochs * steps_per_epoch(phase, data) for phase in counted)
