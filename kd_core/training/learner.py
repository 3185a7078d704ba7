"""One network that learns: its weights, its optimiser, what it is taught, and its answers of the step at hand."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from kd_core.base.options import options_of
from kd_core.base.seeds import derive_seed, generator
from kd_core.config.compute import Compute
from kd_core.config.plan import ALL, LABELLED, LOSSES, LearnerPlan, PhasePlan, pairs_of
from kd_core.config.recipe import Recipe, TeacherRecipe
from kd_core.datasets import Data
from kd_core.methods import LossPart, cross_entropy_with_gradient, label_part, total_loss
from kd_core.nn.hooks import record_features
from kd_core.training.criterion import Criterion, Teacher
from kd_core.training.data import Batch, Examples
from kd_core.training.optim import Optimiser
from kd_core.training.teacher import FrozenTeacher
from kd_core.training.vectorized.mlp import Chain

SMALLEST_SCALE = 1.0  # of gradients of 16 bits: below it they are not finite by themselves


class NotFiniteError(ArithmeticError):
    """A part of the loss is infinite or not a number; nothing was updated."""

    def __init__(self, role: str, part: str) -> None:
        super().__init__(f"{part} of the {role} is not finite")
        self.role, self.part = role, part


@dataclass(frozen=True)
class Loss:
    """``gradient`` (B, K): the gradient of the weighted sum of the parts by the logits, where a formula gives it."""

    parts: list[LossPart]
    gradient: Tensor | None = None


def loss_values(role: str, parts: Sequence[LossPart], values: Sequence[float]) -> tuple[dict[str, list[float]], float]:
    """Raw and weighted value of each part, and their sum. Raises NotFiniteError."""
    for part, value in zip(parts, values, strict=True):
        if not math.isfinite(value):
            raise NotFiniteError(role, part.name)
    said = {part.name: [value, value * part.weight] for part, value in zip(parts, values, strict=True)}
    whole = sum(weighted for _, weighted in said.values())
    if not math.isfinite(whole):
        raise NotFiniteError(role, "the sum of the parts")
    return said, whole


class NetworkTrainer:
    """A learner at work on the ``examples`` shown to it; ``network`` is already on their device.

    A step of it is taken where no gradients are recorded; it records what it needs.
    What ``others`` own of the network's weights is theirs to update.
    """

    def __init__(
        self,
        learner: LearnerPlan,
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
        self.ema_model = _average(network, recipe.ema)
        self.criteria: list[Criterion] = []
        self.paths: dict[str, str] = {}  # taps that are read at every step
        self.logits = torch.empty(0)
        self.features: dict[str, Tensor] = {}
        self.is_by_hand = False  # the gradient of the step at hand

    def prepare(self, instructions: list[Criterion], *, shares: bool) -> None:
        """What it is taught, and the optimiser of all that it learns; ``shares``: with others in its phase."""
        self.criteria = instructions
        for instruction in instructions:
            self.paths |= instruction.paths
            instruction.adapters.to(self.examples.device).train()
        self.optimiser = Optimiser(self.recipe, self.trainable_parameters(), self.rate)
        is_exact = not self.scaler.is_enabled() and self.compute.is_exact
        self.chain = Chain.of(self.network) if is_exact and not shares else None

    @property
    def evaluated_network(self) -> nn.Module:
        """The network that is tested and kept: the one that learns, or the moving average of its weights."""
        return self.network if self.ema_model is None else self.ema_model.module

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
            record_features(self.network, self.paths) as seen,
            self.compute.autocast(self.examples.device),
        ):
            self.logits = self.network(inputs).float()
            self.features = {tap: features.float() for tap, features in seen.items()}

    def outputs(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:  # noqa: ARG002
        """What it teaches others at this step: its answers to the same batch, without gradient."""
        return self.logits.detach(), {tap: features.detach() for tap, features in self.features.items()}

    def loss(self, batch: Batch, step: int, epoch: int) -> Loss:
        """After :meth:`forward`, in float32."""
        if self.method is None or not self.criteria:
            return self._label_loss(batch)
        seed = derive_seed(self.learner.seed, "method", step)
        given = [own.signals(self.logits, self.features, batch, epoch=epoch, seed=seed) for own in self.criteria]
        if len(given) == 1 and (found := self.method.closed_form(given[0])):
            return Loss(*found)
        with torch.enable_grad():
            said = [self.method.parts(signals) for signals in given]
            if len(said) == 1:
                return Loss(said[0])
            shares = [own.weight for own in self.criteria]
            return Loss([_mean(parts, shares) for parts in zip(*said, strict=True)])

    def _label_loss(self, batch: Batch) -> Loss:
        if batch.mixed is None and not self.recipe.smoothing:
            value, slope = cross_entropy_with_gradient(self.logits.t().contiguous(), batch.labels)
            return Loss([LossPart("CE", 1.0, value)], slope.t())
        with torch.enable_grad():
            return Loss([label_part(self.logits, batch.labels, mixed=batch.mixed, smoothing=self.recipe.smoothing)])

    def zero_grad(self) -> None:
        """The gradients of the last step."""
        self.optimiser.zero_grad()

    def backward(self, loss: Loss) -> None:
        """Adds the gradient of the loss."""
        slope = loss.gradient
        if slope is None:
            with torch.enable_grad():
                whole = self.scaler.scale(total_loss(loss.parts))
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

    def clip_gradient(self, *, is_checked: bool = True) -> None:
        """Clips the gradient, once everybody who adds to it has; ``is_checked``: raises NotFiniteError, and then no
        weight is touched."""
        if not is_checked and not self.recipe.clip:
            return
        if self.scaler.is_enabled():
            self.scaler.unscale_(self.optimiser.torch_optimiser)
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
            self.scaler.step(self.optimiser.torch_optimiser)
        else:
            self.optimiser.step()
        if self.ema_model is not None:
            self.ema_model.update_parameters(self.network)

    def state_tensors(self) -> list[Tensor]:
        """Every tensor that a step may change: weights and buffers, their average, adaptors, the optimiser's own."""
        modules = [self.network, *(own.adapters for own in self.criteria)]
        modules += [] if self.ema_model is None else [self.ema_model]
        weights = [value for module in modules for value in (*module.parameters(), *module.buffers())]
        return [value.detach() for value in (*weights, *self.optimiser.state_tensors().values())]

    def set_live_options(self, live: Mapping[str, float]) -> None:
        """Puts live options into force: those of the method, and the learning rate."""
        if self.method is not None and not self.learner.is_fixed:
            own = {name: value for name, value in live.items() if name in options_of(type(self.method))}
            self.method = self.method.with_values(**own)
            for instruction in self.criteria:
                instruction.method = self.method
        if "learning_rate" in live:
            self.rate = live["learning_rate"]  # the next step sets it

    def set_rate(self, factor: float) -> None:
        """Sets the learning rate to that share of the chosen one."""
        self.optimiser.rate = factor * self.rate

    def trainable_parameters(self) -> list[nn.Parameter]:
        """What the optimiser changes: the student's weights, then those of the adaptors."""
        modules = (self.network, *(own.adapters for own in self.criteria))
        return [p for module in modules for p in module.parameters() if p.requires_grad and p not in self._others]

    def average_tensors(self) -> dict[str, Tensor]:
        """Beside the network that is shown: the weights that learn, and how often they were averaged."""
        if self.ema_model is None:
            return {}
        return {"count": self.ema_model.n_averaged, **{f"own/{k}": v for k, v in self.network.state_dict().items()}}

    def load_average_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """What :meth:`average_tensors` gave."""
        if self.ema_model is not None:
            self.ema_model.n_averaged.copy_(tensors["count"])
            own = {name.removeprefix("own/"): value for name, value in tensors.items() if name != "count"}
            self.network.load_state_dict(own)

    def adapter_tensors(self) -> dict[str, Tensor]:
        """The adaptors' state; with several teachers under the number of each."""
        if len(self.criteria) == 1:
            return self.criteria[0].adapters.state_dict()
        return {
            f"{number}/{name}": value
            for number, own in enumerate(self.criteria)
            for name, value in own.adapters.state_dict().items()
        }

    def load_adapter_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """What :meth:`adapter_tensors` gave."""
        for number, own in enumerate(self.criteria):
            start = "" if len(self.criteria) == 1 else f"{number}/"
            found = {name.removeprefix(start): value for name, value in tensors.items() if name.startswith(start)}
            own.adapters.load_state_dict(found)


def _average(network: nn.Module, decay: float) -> AveragedModel | None:
    if not decay:
        return None
    how = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
    return AveragedModel(network, multi_avg_fn=how, use_buffers=True).requires_grad_(False)


def _mean(parts: tuple[LossPart, ...], shares: list[float]) -> LossPart:
    """One part of several teachers, its value weighted by theirs."""
    value = sum((part.value * share for part, share in zip(parts, shares, strict=True)), torch.zeros(()))
    return LossPart(parts[0].name, parts[0].weight, value)


def build_criteria(
    trainer: NetworkTrainer, phases: Sequence[PhasePlan], data: Data, teachers: Mapping[str, nn.Module | NetworkTrainer]
) -> list[Criterion]:
    """One for all teachers together, or one for each where their losses are averaged."""
    learner = trainer.learner
    if learner.method is None or not learner.teachers:
        return []
    pairs = pairs_of(learner, phases, data)
    weights = learner.weights or tuple(1.0 for _ in learner.teachers)
    apart = learner.combine == LOSSES and len(learner.teachers) > 1
    groups = [(role,) for role in learner.teachers] if apart else [learner.teachers]
    found = []
    for number, roles in enumerate(groups):
        share = weights[number] / sum(weights) if apart else 1.0
        instruction = Criterion(learner.method, pairs[number], trainer.labels, seed=learner.seed, weight=share)
        instruction.combine, instruction.weights = learner.combine, weights
        instruction.teachers = [_source(teachers[role], trainer, instruction.teacher_paths) for role in roles]
        found.append(instruction)
    return found


def _source(teacher: nn.Module | NetworkTrainer, own: NetworkTrainer, paths: dict[str, str]) -> Teacher:
    if isinstance(teacher, NetworkTrainer):
        teacher.paths |= paths
        return teacher
    return FrozenTeacher(teacher, own.examples, paths, own.compute)


def pool(trainer: NetworkTrainer) -> Tensor:
    """Positions of the examples that a learner sees among those shown."""
    everything = torch.arange(len(trainer.labels), device=trainer.labels.device)
    learner = trainer.learner
    if learner.sees == ALL:
        return everything
    is_labelled = trainer.labels >= 0
    if learner.sees == LABELLED:
        return everything[is_labelled]
    return everything[is_labelled | confident_examples(trainer, learner.confidence, learner.is_balanced)]


def confident_examples(trainer: NetworkTrainer, confidence: float, is_balanced: bool) -> Tensor:
    """(N,) whether the teacher is that sure of an example; ``is_balanced``: of every class only the surest ones, as
    many as a class has on average. Xie et al., "Self-training with Noisy Student improves ImageNet classification"
    (2020), section 2."""
    teacher = trainer.criteria[0].teachers[0]
    assert isinstance(teacher, FrozenTeacher), "only a trained teacher can be sure before the first step"
    certainty, answer = teacher.clean_logits().softmax(1).max(1)
    kept = certainty >= confidence
    found = set(answer[kept].tolist())
    if is_balanced and found:
        most = -(-int(kept.sum()) // len(found))
        for label in found:
            members = (kept & (answer == label)).nonzero().flatten()
            kept[members[certainty[members].argsort(descending=True)][most:]] = False
    return kept
