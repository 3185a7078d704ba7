"""One network that learns: its weights, its optimiser, what it is taught, and its answers of the step at hand."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from kd_core.base.options import options_of
from kd_core.base.seeds import derive, generator
from kd_core.config.compute import Compute
from kd_core.config.plan import ALL, LABELLED, LOSSES, Learner, Phase, pairs_of
from kd_core.config.recipe import Recipe, TeacherRecipe
from kd_core.datasets import Data
from kd_core.methods import Part, label_part, label_slope, total
from kd_core.nn.hooks import tapped
from kd_core.training.criterion import Instruction, Source
from kd_core.training.data import Batch, Examples
from kd_core.training.optim import Optimiser
from kd_core.training.teacher import Teaching
from kd_core.training.vectorized.mlp import Chain

SMALLEST_SCALE = 1.0  # of gradients of 16 bits: below it they are not finite by themselves


class NotFiniteError(ArithmeticError):
    """A part of the loss is infinite or not a number; nothing was updated."""

    def __init__(self, role: str, part: str) -> None:
        super().__init__(f"{part} of the {role} is not finite")
        self.role, self.part = role, part


@dataclass(frozen=True)
class Loss:
    """``slope`` (B, K): the gradient of the weighted sum of the parts by the logits, where a formula gives it."""

    parts: list[Part]
    slope: Tensor | None = None


def in_numbers(role: str, parts: Sequence[Part], values: Sequence[float]) -> tuple[dict[str, list[float]], float]:
    """Raw and weighted value of each part, and their sum. Raises NotFiniteError."""
    for part, value in zip(parts, values, strict=True):
        if not math.isfinite(value):
            raise NotFiniteError(role, part.name)
    said = {part.name: [value, value * part.weight] for part, value in zip(parts, values, strict=True)}
    whole = sum(weighted for _, weighted in said.values())
    if not math.isfinite(whole):
        raise NotFiniteError(role, "the sum of the parts")
    return said, whole


class Learning:
    """A learner at work on the ``examples`` shown to it; ``network`` is already on their device.

    A step of it is taken where no gradients are recorded; it records what it needs.
    What ``others`` own of the network's weights is theirs to update.
    """

    def __init__(
        self,
        learner: Learner,
        network: nn.Module,
        recipe: Recipe | TeacherRecipe,
        examples: Examples,
        *,
        others: set[Tensor],
        compute: Compute,
        scaler: torch.amp.GradScaler,
    ) -> None:
        self.role, self.learner, self.method = learner.role, learner, learner.method
        self.examples, self.labels, self.compute = examples, examples.labels, compute
        self.network = network.train()
        self.recipe, self._others = recipe, others
        self.rate = recipe.learning_rate
        self.scaler = scaler  # of the whole phase: networks may share layers, and then gradients
        self.average = _average(network, recipe.ema)
        self.instructions: list[Instruction] = []
        self.paths: dict[str, str] = {}  # taps that are read at every step
        self.logits = torch.empty(0)
        self.features: dict[str, Tensor] = {}
        self.is_by_hand = False  # the gradient of the step at hand

    def prepare(self, instructions: list[Instruction], *, shares: bool) -> None:
        """What it is taught, and the optimiser of all that it learns; ``shares``: with others in its phase."""
        self.instructions = instructions
        for instruction in instructions:
            self.paths |= instruction.paths
            instruction.adaptors.to(self.examples.device).train()
        self.optimiser = Optimiser(self.recipe, self.learned(), self.rate)
        is_exact = not self.scaler.is_enabled() and self.compute.is_exact
        self.chain = Chain.of(self.network) if is_exact and not shares else None

    @property
    def shown(self) -> nn.Module:
        """The network that is tested and kept: the one that learns, or the moving average of its weights."""
        return self.network if self.average is None else self.average.module

    def forward(self, batch: Batch, step: int) -> None:
        """Answers to a batch, with gradient."""
        inputs = batch.inputs
        if self.learner.noise:
            chance = generator(self.learner.seed, "noise", step)
            inputs = inputs + self.learner.noise * torch.randn(inputs.shape, generator=chance).to(inputs.device)
        self.is_by_hand = self.chain is not None and not self.paths
        if self.chain is not None and self.is_by_hand:
            self.logits = self.chain.forward(inputs).requires_grad_()
            return
        with (
            torch.enable_grad(),
            tapped(self.network, self.paths) as seen,
            self.compute.autocast(self.examples.device),
        ):
            self.logits = self.network(inputs).float()
            self.features = {tap: features.float() for tap, features in seen.items()}

    def of(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:  # noqa: ARG002
        """What it teaches others at this step: its answers to the same batch, without gradient."""
        return self.logits.detach(), {tap: features.detach() for tap, features in self.features.items()}

    def loss(self, batch: Batch, step: int, epoch: int) -> Loss:
        """After :meth:`forward`, in float32."""
        if self.method is None or not self.instructions:
            return self._label_loss(batch)
        seed = derive(self.learner.seed, "method", step)
        given = [own.signals(self.logits, self.features, batch, epoch=epoch, seed=seed) for own in self.instructions]
        if len(given) == 1 and (found := self.method.closed_form(given[0])):
            return Loss(*found)
        with torch.enable_grad():
            said = [self.method.parts(signals) for signals in given]
            if len(said) == 1:
                return Loss(said[0])
            shares = [own.weight for own in self.instructions]
            return Loss([_mean(parts, shares) for parts in zip(*said, strict=True)])

    def _label_loss(self, batch: Batch) -> Loss:
        if batch.mixed is None and not self.recipe.smoothing:
            value, slope = label_slope(self.logits.t().contiguous(), batch.labels)
            return Loss([Part("CE", 1.0, value)], slope.t())
        with torch.enable_grad():
            return Loss([label_part(self.logits, batch.labels, mixed=batch.mixed, smoothing=self.recipe.smoothing)])

    def forget(self) -> None:
        """The gradients of the last step."""
        self.optimiser.forget()

    def differentiate(self, loss: Loss) -> None:
        """Adds the gradient of the loss."""
        slope = loss.slope
        if slope is None:
            with torch.enable_grad():
                whole = self.scaler.scale(total(loss.parts))
            whole.backward()  # type: ignore[no-untyped-call]
            if not self.is_by_hand:
                return
            slope = self.logits.grad
        elif self.scaler.is_enabled():
            slope = self.scaler.scale(slope)
        if self.chain is not None and self.is_by_hand:
            if slope is not None:  # with no weight on anything nothing is learned
                self.chain.backward(slope)
        else:
            torch.autograd.backward(self.logits, slope)

    def limit(self, *, is_checked: bool = True) -> None:
        """Clips the gradient, once everybody who adds to it has; ``is_checked``: raises NotFiniteError, and then no
        weight is touched."""
        if not is_checked and not self.recipe.clip:
            return
        if self.scaler.is_enabled():
            self.scaler.unscale_(self.optimiser.torch)
        weights = self.optimiser.weights
        norm = nn.utils.get_total_norm([p.grad for p in weights if p.grad is not None])
        # A scaler skips such a step and tries a smaller scale; at the smallest there is nothing left to try.
        can_skip = self.scaler.is_enabled() and self.scaler.get_scale() >= SMALLEST_SCALE
        if is_checked and not can_skip and not norm.isfinite():
            raise NotFiniteError(self.role, "the gradient")
        if self.recipe.clip:
            nn.utils.clip_grads_with_norm_(weights, self.recipe.clip, norm)

    def update(self) -> None:
        """One optimiser step down the gradient."""
        if self.scaler.is_enabled():
            self.scaler.step(self.optimiser.torch)
        else:
            self.optimiser.step()
        if self.average is not None:
            self.average.update_parameters(self.network)

    def state(self) -> list[Tensor]:
        """Every tensor that a step may change: weights and buffers, their average, adaptors, the optimiser's own."""
        modules = [self.network, *(own.adaptors for own in self.instructions)]
        modules += [] if self.average is None else [self.average]
        weights = [value for module in modules for value in (*module.parameters(), *module.buffers())]
        return [value.detach() for value in (*weights, *self.optimiser.tensors().values())]

    def apply(self, live: Mapping[str, float]) -> None:
        """Puts live options into force: those of the method, and the learning rate."""
        if self.method is not None and not self.learner.is_fixed:
            own = {name: value for name, value in live.items() if name in options_of(type(self.method))}
            self.method = self.method.with_values(**own)
            for instruction in self.instructions:
                instruction.method = self.method
        if "learning_rate" in live:
            self.rate = live["learning_rate"]  # the next step sets it

    def set_rate(self, share: float) -> None:
        """Sets the learning rate to that share of the chosen one."""
        self.optimiser.rate = share * self.rate

    def learned(self) -> list[nn.Parameter]:
        """What the optimiser changes: the student's weights, then those of the adaptors."""
        modules = (self.network, *(own.adaptors for own in self.instructions))
        return [p for module in modules for p in module.parameters() if p.requires_grad and p not in self._others]

    def average_tensors(self) -> dict[str, Tensor]:
        """Beside the network that is shown: the weights that learn, and how often they were averaged."""
        if self.average is None:
            return {}
        return {"count": self.average.n_averaged, **{f"own/{k}": v for k, v in self.network.state_dict().items()}}

    def load_average_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """What :meth:`average_tensors` gave."""
        if self.average is not None:
            self.average.n_averaged.copy_(tensors["count"])
            own = {name.removeprefix("own/"): value for name, value in tensors.items() if name != "count"}
            self.network.load_state_dict(own)

    def adaptor_tensors(self) -> dict[str, Tensor]:
        """The adaptors' state; with several teachers under the number of each."""
        if len(self.instructions) == 1:
            return self.instructions[0].adaptors.state_dict()
        return {
            f"{number}/{name}": value
            for number, own in enumerate(self.instructions)
            for name, value in own.adaptors.state_dict().items()
        }

    def load_adaptor_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """What :meth:`adaptor_tensors` gave."""
        for number, own in enumerate(self.instructions):
            start = "" if len(self.instructions) == 1 else f"{number}/"
            found = {name.removeprefix(start): value for name, value in tensors.items() if name.startswith(start)}
            own.adaptors.load_state_dict(found)


def _average(network: nn.Module, decay: float) -> AveragedModel | None:
    if not decay:
        return None
    how = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
    return AveragedModel(network, multi_avg_fn=how, use_buffers=True).requires_grad_(False)


def _mean(parts: tuple[Part, ...], shares: list[float]) -> Part:
    """One part of several teachers, its value weighted by theirs."""
    value = sum((part.value * share for part, share in zip(parts, shares, strict=True)), torch.zeros(()))
    return Part(parts[0].name, parts[0].weight, value)


def instructions(
    own: Learning, phases: Sequence[Phase], data: Data, teachers: Mapping[str, nn.Module | Learning]
) -> list[Instruction]:
    """One for all teachers together, or one for each where their losses are averaged."""
    learner = own.learner
    if learner.method is None or not learner.teachers:
        return []
    pairs = pairs_of(learner, phases, data)
    weights = learner.weights or tuple(1.0 for _ in learner.teachers)
    apart = learner.combine == LOSSES and len(learner.teachers) > 1
    groups = [(role,) for role in learner.teachers] if apart else [learner.teachers]
    found = []
    for number, roles in enumerate(groups):
        share = weights[number] / sum(weights) if apart else 1.0
        instruction = Instruction(learner.method, pairs[number], own.labels, seed=learner.seed, weight=share)
        instruction.combine, instruction.weights = learner.combine, weights
        instruction.sources = [_source(teachers[role], own, instruction.teacher_paths) for role in roles]
        found.append(instruction)
    return found


def _source(teacher: nn.Module | Learning, own: Learning, paths: dict[str, str]) -> Source:
    if isinstance(teacher, Learning):
        teacher.paths |= paths
        return teacher
    return Teaching(teacher, own.examples, paths, own.compute)


def pool(own: Learning) -> Tensor:
    """Positions of the examples that a learner sees among those shown."""
    everything = torch.arange(len(own.labels), device=own.labels.device)
    learner = own.learner
    if learner.sees == ALL:
        return everything
    is_labelled = own.labels >= 0
    if learner.sees == LABELLED:
        return everything[is_labelled]
    return everything[is_labelled | sure(own, learner.confidence, learner.is_balanced)]


def sure(own: Learning, confidence: float, is_balanced: bool) -> Tensor:
    """(N,) whether the teacher is that sure of an example; ``is_balanced``: of every class only the surest ones, as
    many as a class has on average. Xie et al., "Self-training with Noisy Student improves ImageNet classification"
    (2020), section 2."""
    teacher = own.instructions[0].sources[0]
    assert isinstance(teacher, Teaching), "only a trained teacher can be sure before the first step"
    certainty, answer = teacher.clean().softmax(1).max(1)
    kept = certainty >= confidence
    found = set(answer[kept].tolist())
    if is_balanced and found:
        most = -(-int(kept.sum()) // len(found))
        for label in found:
            members = (kept & (answer == label)).nonzero().flatten()
            kept[members[certainty[members].argsort(descending=True)][most:]] = False
    return kept
