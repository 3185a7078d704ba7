"""One phase at work: its learners side by side, on the same examples in the same order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from kd_core.checkpoint import Checkpoint
from kd_core.datasets import Data, Split
from kd_core.events import Event, Step
from kd_core.learning import Learning
from kd_core.preparation import epochs_per_look, steps_per_epoch
from kd_core.probes import Watch
from kd_core.schemes import Phase
from kd_core.seeds import generator
from kd_core.teaching import answers, freeze


class Lesson:
    """``networks`` are those of earlier phases, the teachers among them; ``live`` are the live options in force."""

    def __init__(
        self,
        phase: Phase,
        data: Data,
        device: torch.device,
        *,
        phases: Sequence[Phase],
        networks: Mapping[str, nn.Module],
        live: Mapping[str, float],
    ) -> None:
        self.phase, self.device = phase, device
        self.per_epoch = steps_per_epoch(phase, data)
        self.steps = phase.recipe.epochs * self.per_epoch
        view = phase.view.apply(data, phase.view_seed)
        shown = Split(view.inputs.to(device), view.labels.to(device))
        teachers = [networks.get(learner.teacher) for learner in phase.learners]
        self.learning = [
            Learning(learner, phase.recipe, shown, phases=phases, data=data, teacher=teacher)
            for learner, teacher in zip(phase.learners, teachers, strict=True)
        ]
        if not phase.is_kept:  # a kept phase must depend on nothing but itself
            self.apply(live)
        self._watch = Watch(phase.name, data, device, next(filter(None, teachers), None))
        self._good: dict[str, dict[str, torch.Tensor]] = {}  # weights of the last look
        self._order: tuple[int, torch.Tensor] = (-1, torch.empty(0))  # of the epoch with that number

    @property
    def networks(self) -> dict[str, nn.Module]:
        """The learning networks by role."""
        return {learning.role: learning.network for learning in self.learning}

    def apply(self, live: Mapping[str, float]) -> None:
        """Puts live options into force."""
        for learning in self.learning:
            learning.apply(live)

    def step(self, done: int) -> Step:
        """The step after ``done`` others, of every learner. Raises NotFiniteError, and then no weight has changed."""
        rows = self._rows(done)
        parts = {own.role: own.parts(rows, done, done // self.per_epoch) for own in self.learning}
        numbers = {own.role: own.numbers(parts[own.role]) for own in self.learning}
        for own in self.learning:
            own.differentiate(parts[own.role])
        for own in self.learning:
            own.update()
        return Step(
            self.phase.name,
            done + 1,
            done // self.per_epoch + 1,
            {role: values for role, (values, _) in numbers.items()},
            {role: total for role, (_, total) in numbers.items()},
            self.learning[0].optimiser.param_groups[0]["lr"],
        )

    def is_look_due(self, done: int) -> bool:
        """At the end, and after every epoch, or every few of a long phase."""
        every = self.per_epoch * epochs_per_look(self.phase)
        return done == self.steps or done % every == 0

    def look(self, done: int) -> list[Event]:
        """What the networks answer now. Raises NotFiniteError."""
        said = self._watch.look(done, done // self.per_epoch, self.networks)
        self._good = {
            role: {name: value.clone() for name, value in network.state_dict().items()}
            for role, network in self.networks.items()
        }
        return said

    def rescue(self) -> str:
        """After a NotFiniteError: goes back to the last weights whose answers are finite, and says which."""
        if all(answers(network, self._watch.inputs).isfinite().all() for network in self.networks.values()):
            return "the weights before it are kept"
        for role, network in self.networks.items():
            network.load_state_dict(self._good[role])
        return "the weights of the last look before it are kept"

    def end(self) -> None:
        """The networks are trained: from here on they can only teach."""
        for network in self.networks.values():
            freeze(network)

    def put(self, state: Checkpoint) -> None:
        """The optimisers' state and the adaptors; the weights are stored with all other networks."""
        for own in self.learning:
            state.put(f"optimiser/{own.role}", own.optimiser_tensors())
            state.put(f"adaptors/{own.role}", own.adaptors.state_dict())

    def take(self, state: Checkpoint) -> None:
        """Weights and optimisers as they were."""
        for own in self.learning:
            own.network.load_state_dict(state.take(f"network/{own.role}"))
            own.adaptors.load_state_dict(state.take(f"adaptors/{own.role}"))
            own.load_optimiser_tensors(state.take(f"optimiser/{own.role}"))
        self._good = {role: network.state_dict() for role, network in self.networks.items()}

    def _rows(self, done: int) -> torch.Tensor:
        """The examples of a step. Each epoch has an order of its own, drawn when it begins."""
        epoch, batch = divmod(done, self.per_epoch)
        if self._order[0] != epoch:
            chance = generator(self.phase.order_seed, "order", epoch)
            self._order = (epoch, torch.randperm(len(self.learning[0].labels), generator=chance).to(self.device))
        size = self.phase.recipe.batch_size
        return self._order[1][batch * size : (batch + 1) * size]
