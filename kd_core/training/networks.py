"""Networks of the finished phases of runs, and which runs train a phase together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from kd_core.base.seeds import use_seed
from kd_core.config.derived_networks import build_derived
from kd_core.config.plan import LearnerPlan, PhasePlan, build, cache_key, find_by_role
from kd_core.config.run import RunConfig
from kd_core.datasets import Data
from kd_core.files.checkpoint import Checkpoint
from kd_core.nn.inference import freeze

Plan = tuple[PhasePlan, ...]


@dataclass(frozen=True)
class Task:
    """Phase number ``phase`` of some runs, which are trained side by side or, if it is cached, once for all of them."""

    phase: int
    runs: tuple[int, ...]


def phase_cache_key(config: RunConfig, phase: PhasePlan, device_type: str) -> str:
    """Return everything that the result of a cached phase on a type of device, such as "cuda", depends on."""
    settings = config.augmentation.values() | config.compute.cache_settings() | {"device": device_type}
    return cache_key(config.dataset, phase, repr(sorted(settings.items())))


def split_into_tasks(plans: Sequence[Plan]) -> list[Task]:
    """Return the phases of runs whose phases have the same names, in order."""
    tasks = []
    for number, phase in enumerate(plans[0]):
        prefixes = [plan[: number + 1] if phase.is_kept else () for plan in plans]
        first = [prefixes.index(prefix) for prefix in prefixes]
        for leader in dict.fromkeys(first):
            tasks.append(Task(number, tuple(run for run, other in enumerate(first) if other == leader)))
    return tasks


class TrainedNetworks:
    """Networks of finished phases in :attr:`by_run`, by run and role; runs may share some of them.

    :attr:`ended` holds all networks of the runs that have ended, as they were then.

    Args:
        config: Configuration of the first run; what matters of it is the same for all.
        plans: The phases of each run.
        data: The three splits.
        device: Where the networks are.
    """

    def __init__(self, config: RunConfig, plans: Sequence[Plan], data: Data, device: torch.device) -> None:
        self.config, self.plans, self.data, self.device = config, plans, data, device
        self.by_run: dict[int, dict[str, nn.Module]] = {run: {} for run in range(len(plans))}
        self.ended: dict[int, dict[str, nn.Module]] = {}
        self._derived = {derived.role for phase in plans[0] for derived in phase.derived}

    def cache_key(self, task: Task) -> str:
        """Return everything that the result of a cached phase depends on."""
        return phase_cache_key(self.config, self.plans[task.runs[0]][task.phase], self.device.type)

    def load_phase(self, task: Task, state: Checkpoint) -> None:
        """Load the networks of a cached phase."""
        run = task.runs[0]
        for learner in self.plans[run][task.phase].learners:
            network = self._load(run, learner, state.get(f"network/{learner.role}"))
            for other in task.runs:
                self.by_run[other][learner.role] = network
        self.build_derived(task)

    def build_derived(self, task: Task) -> None:
        """Build the networks that are derived from others at the end of a phase."""
        is_kept = self.plans[0][task.phase].is_kept
        for runs in [task.runs] if is_kept else [(run,) for run in task.runs]:
            networks = self.by_run[runs[0]]
            for derived in self.plans[runs[0]][task.phase].derived:
                if networks.keys() >= set(derived.sources):  # a run that has failed may lack some
                    network = build_derived(derived, networks, self.data, self.device)
                    for run in runs:
                        self.by_run[run][derived.role] = network

    def save_state(self, state: Checkpoint) -> None:
        """Put the trained networks into a checkpoint; derived ones are rebuilt from them."""
        numbers: dict[nn.Module, int] = {}
        state.values["networks"] = [
            [(run, role, numbers.setdefault(network, len(numbers)))
             for run, by_role in networks.items() for role, network in by_role.items() if role not in self._derived]
            for networks in (self.by_run, self.ended)
        ]  # fmt: skip
        for network, number in numbers.items():
            state.put(f"network {number}", network.state_dict())

    def load_state(self, state: Checkpoint, finished: Sequence[Task]) -> None:
        """Load what :meth:`save_state` stored after the ``finished`` tasks."""
        loaded: dict[int, nn.Module] = {}
        for networks, places in zip((self.by_run, self.ended), state.values["networks"], strict=True):
            for run, role, number in places:
                if number not in loaded:
                    learner = find_by_role(self.plans[run], role)
                    assert isinstance(learner, LearnerPlan)
                    loaded[number] = self._load(run, learner, state.get(f"network {number}"))
                networks.setdefault(run, {})[role] = loaded[number]
        for task in finished:
            self.build_derived(task)

    def _load(self, run: int, learner: LearnerPlan, weights: Mapping[str, Tensor]) -> nn.Module:
        with use_seed(learner.seed, "weights"):
            network = build(learner, self.plans[run], self.data)
        network.load_state_dict(weights)
        return freeze(self.config.compute.placed(network, self.device))
