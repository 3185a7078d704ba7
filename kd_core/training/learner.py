"""One network in training, with its forward pass, its loss and the moving average of its weights."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from kd_core.base.options import options_of
from kd_core.base.seeds import derive_seed, generator, use_seed
from kd_core.config.compute import Compute
from kd_core.config.plan import ALL, LABELLED, LOSSES, LearnerPlan, PhasePlan, pairs_of
from kd_core.config.recipe import Recipe, TeacherRecipe
from kd_core.datasets import Data
from kd_core.methods import LossPart, label_part
from kd_core.nn.hooks import record_features
from kd_core.training.criterion import Criterion, Teacher
from kd_core.training.data import Batch, Examples
from kd_core.training.teacher import FrozenTeacher
from kd_core.training.vectorized.replicas import random_layer


class NotFiniteError(ArithmeticError):
    """A part of the loss is infinite or not a number; nothing was updated."""

    def __init__(self, role: str, part: str) -> None:
        super().__init__(f"{part} of the {role} is not finite")
        self.role, self.part = role, part


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


class NetworkTrainer:
    """One network of a phase in training.

    Args:
        learner: The plan of the network.
        network: The network, already on the device of ``examples``.
        recipe: Hyper-parameters.
        examples: What the phase trains on.
        others: Parameters of ``network`` that belong to another trainer.
        compute: Precision and memory layout.
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
    ) -> None:
        self.role, self.learner, self.method = learner.role, learner, learner.method
        self.examples, self.labels, self.compute = examples, examples.labels, compute
        self.network = network.train()
        self.recipe, self._others = recipe, others
        self.rate = recipe.learning_rate
        self.ema_model = _ema_model(network, recipe.ema)
        self.criteria: list[Criterion] = []
        self.paths: dict[str, str] = {}  # module paths, by layer, whose features are recorded at every step
        self.logits = torch.empty(0)
        self.features: dict[str, Tensor] = {}
        # What a module from Python draws is not known.
        self.is_random = not learner.model.can_be_stacked or bool(random_layer(network))

    def set_criteria(self, criteria: list[Criterion]) -> None:
        """Set the losses of the learner's teachers; without any it learns from the labels alone."""
        self.criteria = criteria
        for criterion in criteria:
            self.paths |= criterion.paths
            criterion.adapters.to(self.examples.device).train()

    @property
    def evaluated_network(self) -> nn.Module:
        """The network that is evaluated and kept, the trained one or the moving average of its weights."""
        return self.network if self.ema_model is None else self.ema_model.module

    def forward(self, batch: Batch, step: int) -> None:
        """Compute logits (B, K) and features of a batch."""
        inputs = batch.inputs
        if self.learner.noise:
            noise_generator = generator(self.learner.seed, "noise", step)
            noise = torch.randn(inputs.shape, generator=noise_generator)
            inputs = inputs + self.learner.noise * noise.to(inputs.device)
        with (
            use_seed(self.learner.seed, "layers", step) if self.is_random else contextlib.nullcontext(),
            record_features(self.network, self.paths) as recorded,
            self.compute.autocast(self.examples.device),
        ):
            self.logits = self.network(inputs).float()
            self.features = {layer: features.float() for layer, features in recorded.items()}

    def outputs(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:  # noqa: ARG002
        """Return the detached logits and features of the last :meth:`forward`, for the networks it teaches."""
        return self.logits.detach(), {layer: features.detach() for layer, features in self.features.items()}

    def loss(self, batch: Batch, step: int, epoch: int) -> list[LossPart]:
        """Return the parts of the loss of the last :meth:`forward`, in float32."""
        if self.method is None or not self.criteria:
            return [label_part(self.logits, batch.labels, mixed=batch.mixed, smoothing=self.recipe.smoothing)]
        seed = derive_seed(self.learner.seed, "method", step)
        parts = [
            self.method.parts(criterion.signals(self.logits, self.features, batch, epoch=epoch, seed=seed))
            for criterion in self.criteria
        ]
        if len(parts) == 1:
            return parts[0]
        weights = [criterion.weight for criterion in self.criteria]
        return [_weighted_mean(same_part, weights) for same_part in zip(*parts, strict=True)]

    def update_average(self) -> None:
        """Update the moving average of the weights, if there is one."""
        if self.ema_model is not None:
            self.ema_model.update_parameters(self.network)

    def state_tensors(self) -> list[Tensor]:
        """Return every tensor of network, average and adapters that a step may change."""
        modules = [self.network, *(criterion.adapters for criterion in self.criteria)]
        modules += [] if self.ema_model is None else [self.ema_model]
        return [value.detach() for module in modules for value in (*module.parameters(), *module.buffers())]

    def set_live_options(self, live: Mapping[str, float]) -> None:
        """Apply the live options of the method, and the learning rate."""
        if self.method is not None and not self.learner.is_fixed:
            names = options_of(type(self.method))
            self.method = self.method.with_values(**{name: value for name, value in live.items() if name in names})
            for criterion in self.criteria:
                criterion.method = self.method
        if "learning_rate" in live:
            self.rate = live["learning_rate"]

    def trainable_parameters(self) -> list[nn.Parameter]:
        """Return the weights that the optimiser changes, those of the network, then those of the adapters."""
        modules = (self.network, *(criterion.adapters for criterion in self.criteria))
        return [p for module in modules for p in module.parameters() if p.requires_grad and p not in self._others]

    def average_tensors(self) -> dict[str, Tensor]:
        """Return the trained weights and the update count, which a checkpoint needs beside the moving average."""
        if self.ema_model is None:
            return {}
        return {"count": self.ema_model.n_averaged, **{f"own/{k}": v for k, v in self.network.state_dict().items()}}

    def load_average_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Load what :meth:`average_tensors` returned."""
        if self.ema_model is not None:
            self.ema_model.n_averaged.copy_(tensors["count"])
            weights = {name.removeprefix("own/"): value for name, value in tensors.items() if name != "count"}
            self.network.load_state_dict(weights)

    def adapter_tensors(self) -> dict[str, Tensor]:
        """Return the state of the adapters; with several criteria each name starts with the number of its own."""
        return {
            f"{prefix}{name}": value
            for prefix, criterion in self._prefixed_criteria()
            for name, value in criterion.adapters.state_dict().items()
        }

    def load_adapter_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Load what :meth:`adapter_tensors` returned."""
        for prefix, criterion in self._prefixed_criteria():
            state = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
            criterion.adapters.load_state_dict(state)

    def _prefixed_criteria(self) -> list[tuple[str, Criterion]]:
        if len(self.criteria) == 1:
            return [("", self.criteria[0])]
        return [(f"{number}/", criterion) for number, criterion in enumerate(self.criteria)]


def _ema_model(network: nn.Module, decay: float) -> AveragedModel | None:
    if not decay:
        return None
    average = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
    return AveragedModel(network, multi_avg_fn=average, use_buffers=True).requires_grad_(False)


def _weighted_mean(parts: tuple[LossPart, ...], weights: list[float]) -> LossPart:
    """Average the same part over several teachers; ``weights`` sum to 1."""
    value = sum((part.value * weight for part, weight in zip(parts, weights, strict=True)), torch.zeros(()))
    return LossPart(parts[0].name, parts[0].weight, value)


def build_criteria(
    trainer: NetworkTrainer, phases: Sequence[PhasePlan], data: Data, teachers: Mapping[str, nn.Module | NetworkTrainer]
) -> list[Criterion]:
    """Return one criterion for all teachers, or one for each where their losses are averaged.

    ``teachers`` by role: trained networks, or the trainers of networks that learn in the same phase.
    """
    learner = trainer.learner
    if learner.method is None or not learner.teachers:
        return []
    pairs = pairs_of(learner, phases, data)
    weights = learner.weights or tuple(1.0 for _ in learner.teachers)
    is_separate = learner.combine == LOSSES and len(learner.teachers) > 1
    groups = [(role,) for role in learner.teachers] if is_separate else [learner.teachers]
    criteria = []
    for number, roles in enumerate(groups):
        weight = weights[number] / sum(weights) if is_separate else 1.0
        criterion = Criterion(learner.method, pairs[number], trainer.labels, seed=learner.seed, weight=weight)
        criterion.combine, criterion.weights = learner.combine, weights
        criterion.teachers = [_teacher(teachers[role], trainer, criterion.teacher_paths) for role in roles]
        criteria.append(criterion)
    return criteria


def _teacher(teacher: nn.Module | NetworkTrainer, student: NetworkTrainer, paths: dict[str, str]) -> Teacher:
    if isinstance(teacher, NetworkTrainer):
        teacher.paths |= paths
        return teacher
    return FrozenTeacher(teacher, student.examples, paths, student.compute)


def visible_rows(trainer: NetworkTrainer) -> Tensor:
    """Return the positions of the examples that a network trains on, among those of its phase."""
    all_rows = torch.arange(len(trainer.labels), device=trainer.labels.device)
    learner = trainer.learner
    if learner.sees == ALL:
        return all_rows
    is_labelled = trainer.labels >= 0
    if learner.sees == LABELLED:
        return all_rows[is_labelled]
    return all_rows[is_labelled | confident_examples(trainer, learner.confidence, learner.is_balanced)]


def confident_examples(trainer: NetworkTrainer, confidence: float, is_balanced: bool) -> Tensor:
    """Return (N,) whether the teacher's top probability for an example is at least ``confidence``.

    ``is_balanced`` keeps of every class only the most confident ones, as many as a class has on average. Xie et al.,
    "Self-training with Noisy Student improves ImageNet classification" (2020), section 2.
    """
    teacher = trainer.criteria[0].teachers[0]
    assert isinstance(teacher, FrozenTeacher), "pseudo-labels need a teacher that is trained before the first step"
    top_probability, top_class = teacher.clean_logits().softmax(1).max(1)
    is_confident = top_probability >= confidence
    classes = set(top_class[is_confident].tolist())
    if is_balanced and classes:
        limit = -(-int(is_confident.sum()) // len(classes))
        for label in classes:
            members = (is_confident & (top_class == label)).nonzero().flatten()
            is_confident[members[top_probability[members].argsort(descending=True)][limit:]] = False
    return is_confident
