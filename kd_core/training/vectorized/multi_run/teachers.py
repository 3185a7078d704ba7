"""Teachers of stacked runs, each trained once or taken from the cache."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import nn

from kd_core.base.events import Event, Failed, Finished, Probed, Step, Surface, Validated
from kd_core.base.seeds import use_seed
from kd_core.config.derived_networks import build_derived
from kd_core.config.plan import PhasePlan, build
from kd_core.config.run import RunConfig
from kd_core.datasets import load
from kd_core.files.checkpoint import Checkpoint
from kd_core.nn.inference import freeze
from kd_core.training.loop import PhaseCache, Trainer
from kd_core.training.vectorized.multi_run.compatibility import split_phases


def without_steps(trainer: Trainer) -> Iterator[Event | None]:
    """Yield the events of a run as a stack does, and None in the place of those that it does not have.

    These are the steps, and the pinned examples and surfaces of evaluations within a phase.
    """
    is_full = False
    for event in trainer:
        if isinstance(event, Validated):
            is_full = event.step == 0 or trainer.is_last_evaluation(event)
        is_omitted = isinstance(event, Step) or (isinstance(event, Probed | Surface) and not is_full)
        yield None if is_omitted else event


class SharedTeachers:
    """Networks of the phases before the students', shared by runs whose teachers are the same.

    ``networks[i]`` are those of run i by role; empty until :meth:`train` is exhausted.
    """

    def __init__(
        self,
        configs: Sequence[RunConfig],
        plans: Sequence[tuple[PhasePlan, ...]],
        device: torch.device,
        cache: PhaseCache,
    ) -> None:
        self.configs, self.plans, self.device = configs, plans, device
        teacher_phases = [tuple(split_phases(plan)[0]) for plan in plans]
        self.phases = teacher_phases[0]
        self.leaders = [teacher_phases.index(phases) for phases in teacher_phases]  # first run with the same teachers
        self.networks: list[dict[str, nn.Module]] = [{} for _ in configs]
        self._cache = cache
        self._is_stopping = False
        self._trainer: Trainer | None = None

    def stop(self) -> None:
        """End the present training, and skip those that follow."""
        self._is_stopping = True
        if self._trainer is not None:
            self._trainer.stop()

    def train(self) -> Iterator[tuple[list[int], Event]]:
        """Yield each event of a teacher with the runs that it belongs to.

        These are the first event of a run and those of all phases before a student's, and the last one of a run that
        fails or is stopped.
        """
        names = {phase.name for phase in self.phases}
        for leader in dict.fromkeys(self.leaders):
            runs = [number for number, other in enumerate(self.leaders) if other == leader]
            trainer = self._trainer = Trainer(self.configs[leader], device=str(self.device), cache=self._cache)
            if self._is_stopping:
                trainer.stop()
            for event in filter(None, without_steps(trainer)):
                phase = getattr(event, "phase", "")
                if phase and phase not in names and not isinstance(event, Failed | Finished):
                    break  # the student's phase of this run has begun
                yield runs, event
            for number in runs:
                roles = (network.role for phase in self.phases for network in phase.networks)
                self.networks[number] = {r: trainer.networks[r] for r in roles if r in trainer.networks}
        self._trainer = None

    def save_state(self, state: Checkpoint) -> None:
        """Put the weights of the trained networks into a checkpoint; derived ones are rebuilt from them."""
        roles = [learner.role for phase in self.phases for learner in phase.learners]
        for leader in set(self.leaders):
            for role in roles:
                if role in self.networks[leader]:
                    state.put(f"teachers {leader}/{role}", self.networks[leader][role].state_dict())

    def load_state(self, state: Checkpoint) -> None:
        """Load what :meth:`save_state` stored."""
        for run, leader in enumerate(self.leaders):
            if run == leader:
                self._load(run, state)
            self.networks[run] = self.networks[leader]

    def _load(self, leader: int, state: Checkpoint) -> None:
        plan, data, networks = self.plans[leader], load(self.configs[leader].dataset), self.networks[leader]
        for phase in plan[: len(self.phases)]:
            for learner in phase.learners:
                if weights := state.get(f"teachers {leader}/{learner.role}"):
                    with use_seed(learner.seed, "weights"):
                        network = build(learner, plan, data)
                    network.load_state_dict(weights)
                    networks[learner.role] = freeze(self.configs[leader].compute.placed(network, self.device))
            for derived in phase.derived:
                if set(derived.sources) <= networks.keys():
                    networks[derived.role] = build_derived(derived, networks, data, self.device)
