"""The teachers of many runs: each is trained once, by a run of its own, or found where it is kept."""

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


def without_steps(training: Trainer) -> Iterator[Event]:
    """The events of a run as a stack tells them: no steps, and in full only the first and the last look of a phase."""
    is_full = False
    for event in training:
        if isinstance(event, Validated):
            is_full = event.step == 0 or training.is_last_evaluation(event)
        if isinstance(event, Step) or (isinstance(event, Probed | Surface) and not is_full):
            continue
        yield event


class SharedTeachers:
    """``networks[i]`` are the trained networks of run i by role: empty until :meth:`train` is through, and shared."""

    def __init__(
        self,
        configs: Sequence[RunConfig],
        plans: Sequence[tuple[PhasePlan, ...]],
        device: torch.device,
        kept: PhaseCache,
    ) -> None:
        self.configs, self.plans, self.device = configs, plans, device
        before = [tuple(split_phases(plan)[0]) for plan in plans]
        self.phases = before[0]
        self.leaders = [before.index(own) for own in before]  # of each run: the first with the same teachers
        self.networks: list[dict[str, nn.Module]] = [{} for _ in configs]
        self._kept = kept
        self._is_stopping = False
        self._training: Trainer | None = None

    def stop(self) -> None:
        """Ends what is being trained, and what is yet to be."""
        self._is_stopping = True
        if self._training is not None:
            self._training.stop()

    def train(self) -> Iterator[tuple[list[int], Event]]:
        """What each of them says, with the runs that it is said to: how the run begins, and all phases that come
        before a student's; the end of the run where it fails or is stopped."""
        names = {phase.name for phase in self.phases}
        for leader in dict.fromkeys(self.leaders):
            members = [number for number, other in enumerate(self.leaders) if other == leader]
            training = self._training = Trainer(self.configs[leader], device=str(self.device), cache=self._kept)
            if self._is_stopping:
                training.stop()
            for event in without_steps(training):
                phase = getattr(event, "phase", "")
                if phase and phase not in names and not isinstance(event, Failed | Finished):
                    break  # the student of that run has begun
                yield members, event
            for number in members:
                roles = (own.role for phase in self.phases for own in phase.networks)
                self.networks[number] = {r: training.networks[r] for r in roles if r in training.networks}
        self._training = None

    def save_state(self, state: Checkpoint) -> None:
        """The weights of all who were trained; what is made of them is made again."""
        learned = [own.role for phase in self.phases for own in phase.learners]
        for leader in set(self.leaders):
            for role in learned:
                if role in self.networks[leader]:
                    state.put(f"teachers {leader}/{role}", self.networks[leader][role].state_dict())

    def load_state(self, state: Checkpoint) -> None:
        """What :meth:`save_state` stored."""
        for run, leader in enumerate(self.leaders):
            if run == leader:
                self._load(run, state)
            self.networks[run] = self.networks[leader]

    def _load(self, leader: int, state: Checkpoint) -> None:
        plan, data, found = self.plans[leader], load(self.configs[leader].dataset), self.networks[leader]
        for phase in plan[: len(self.phases)]:
            for own in phase.learners:
                if weights := state.get(f"teachers {leader}/{own.role}"):
                    with use_seed(own.seed, "weights"):
                        network = build(own, plan, data)
                    network.load_state_dict(weights)
                    found[own.role] = freeze(self.configs[leader].compute.placed(network, self.device))
            for derived in phase.derived:
                if set(derived.sources) <= found.keys():
                    found[derived.role] = build_derived(derived, found, data, self.device)
