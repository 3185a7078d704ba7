"""Training steps by autograd, for every network and every loss."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from kd_core.config.plan import PhasePlan
from kd_core.files.checkpoint import Checkpoint
from kd_core.methods import LossPart, sum_tensors, total_loss
from kd_core.training.learner import NetworkTrainer, NotFiniteError
from kd_core.training.optim import build_optimiser, load_optimiser_state, optimiser_state, rate_factor, set_rate

SMALLEST_SCALE = 1.0  # a float16 gradient that overflows at this loss scale would overflow without scaling, too


@dataclass(frozen=True)
class StepResult:
    """Result of one step.

    ``parts`` are those of the loss by role; ``skipped_scale`` is the loss scale at which a float16 gradient
    overflowed, so that no network was updated, and 0 otherwise.
    """

    parts: Mapping[str, Sequence[LossPart]]
    rate: float
    skipped_scale: float = 0.0


def loss_values(role: str, parts: Sequence[LossPart], values: Sequence[float]) -> tuple[dict[str, list[float]], float]:
    """Return [raw, weighted] value by part, and the sum of the weighted ones. Raises NotFiniteError."""
    for part, value in zip(parts, values, strict=True):
        if not math.isfinite(value):
            raise NotFiniteError(role, part.name)
    by_part = {part.name: [value, value * part.weight] for part, value in zip(parts, values, strict=True)}
    total = sum(weighted for _, weighted in by_part.values())
    if not math.isfinite(total):
        raise NotFiniteError(role, "the sum of the parts")
    return by_part, total


class PlainSteps:
    """Steps of the learners of a phase on the same batches, with one optimiser and one loss scaler for all of them.

    So all networks take equally many updates, also where a float16 gradient overflows and the step is skipped.
    """

    def __init__(
        self,
        phase: PhasePlan,
        trainers: Sequence[NetworkTrainer],
        steps_per_epoch: int,
        scaler: torch.amp.GradScaler,
    ) -> None:
        self.recipe, self.trainers, self.scaler = phase.recipe, trainers, scaler
        self.steps_per_epoch, self.steps = steps_per_epoch, phase.recipe.epochs * steps_per_epoch
        self._weights = [trainer.trainable_parameters() for trainer in trainers]
        self.optimiser = build_optimiser(phase.recipe, [weight for weights in self._weights for weight in weights])
        modules = [trainer.modules for trainer in trainers]
        self._begun, self._memories = -1, [dict(trainer.memory) for trainer in trainers]  # before the last steps
        self._tensors = [value.detach() for one in modules for value in (*one.parameters(), *one.buffers())]

    def take(self, done: int, count: int) -> tuple[list[StepResult], list[float]]:
        """Take ``count`` steps after ``done`` others; return them with the values of all their parts."""
        if done == self._begun:  # these steps were undone
            for trainer, memory in zip(self.trainers, self._memories, strict=True):
                trainer.memory = dict(memory)
        self._begun, self._memories = done, [dict(trainer.memory) for trainer in self.trainers]
        results = [self.step(step) for step in range(done, done + count)]
        values = [part.value.detach() for result in results for parts in result.parts.values() for part in parts]
        return results, torch.stack(values).tolist()  # read from the device at once

    def step(self, done: int) -> StepResult:
        """Take the step after ``done`` others."""
        batches = [trainer.batch(done) for trainer in self.trainers]
        for trainer, batch in zip(self.trainers, batches, strict=True):
            trainer.forward(batch, done)
        losses = [
            trainer.loss(batch, done, done // self.steps_per_epoch)
            for trainer, batch in zip(self.trainers, batches, strict=True)
        ]
        self.optimiser.zero_grad()
        loss = sum_tensors([total_loss(parts) for parts in losses if parts])
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self.scaler.unscale_(self.optimiser)
        if self.recipe.clip:
            for weights in self._weights:
                nn.utils.clip_grad_norm_(weights, self.recipe.clip)
        rate = self.trainers[0].rate * rate_factor(self.recipe, done, self.steps)
        set_rate(self.optimiser, rate)
        self.scaler.step(self.optimiser)
        skipped_scale = self._update_scale()
        for trainer in self.trainers:
            trainer.update_average(done)
        by_role = {trainer.role: parts for trainer, parts in zip(self.trainers, losses, strict=True) if parts}
        return StepResult(by_role, rate, skipped_scale)

    def _update_scale(self) -> float:
        """Update the loss scale; return the one at which the step was skipped, 0 if it was taken."""
        if not self.scaler.is_enabled():
            return 0.0
        scale = self.scaler.get_scale()
        self.scaler.update()
        if self.scaler.get_scale() >= scale:
            return 0.0
        if scale < SMALLEST_SCALE:
            raise NotFiniteError(self._role_without_gradient(), "the gradient")
        return float(scale)

    def _role_without_gradient(self) -> str:
        """Return the role of the first network whose gradient is not finite."""
        for trainer, weights in zip(self.trainers, self._weights, strict=True):
            norm = nn.utils.get_total_norm([weight.grad for weight in weights if weight.grad is not None])
            if not norm.isfinite():
                return trainer.role
        return self.trainers[0].role

    def state_tensors(self) -> list[Tensor]:
        """Return every tensor that a step changes; those of the optimiser, created by the first step, come last."""
        return [*self._tensors, *optimiser_state(self.optimiser).values()]

    def evaluated_tensors(self) -> list[Tensor]:
        """Return weights and buffers of the evaluated networks."""
        return [value for trainer in self.trainers for value in trainer.evaluated_network.state_dict().values()]

    def save_state(self, state: Checkpoint) -> None:
        """Put everything that a step changes into a checkpoint."""
        state.put("optimiser", optimiser_state(self.optimiser))
        state.values["scaler"] = self.scaler.state_dict()
        for trainer in self.trainers:
            state.put(f"trained/{trainer.role}", trainer.modules.state_dict())
            state.put(f"made/{trainer.role}", trainer.memory)

    def load_state(self, state: Checkpoint, done: int) -> None:  # noqa: ARG002
        """Load what :meth:`save_state` stored after ``done`` steps."""
        load_optimiser_state(self.optimiser, state.get("optimiser"))
        if self.scaler.is_enabled():
            self.scaler.load_state_dict(state.values["scaler"])
        for trainer in self.trainers:
            trainer.modules.load_state_dict(state.get(f"trained/{trainer.role}"))
            memory = state.get(f"made/{trainer.role}")
            trainer.memory = {name: value.to(trainer.examples.device) for name, value in memory.items()}
