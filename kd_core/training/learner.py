"""One network in training, with its loss, its teachers and the moving average of its weights."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from kd_core.base.options import options_of
from kd_core.base.seeds import derive_seed, generator, use_seed
from kd_core.config.compute import Compute
from kd_core.config.plan import (
    ALL,
    LABELLED,
    LOGITS,
    LOSSES,
    PROBABILITIES,
    LearnerPlan,
    MakerInputs,
    PhasePlan,
    pairs_of,
)
from kd_core.config.recipe import Recipe, TeacherRecipe
from kd_core.datasets import Data
from kd_core.methods import LossInputs, LossPart, Method, label_part
from kd_core.nn.composite import average_logits, average_probabilities, remaining_weights, update_average
from kd_core.nn.hooks import last_linear, record_features, select_layers
from kd_core.nn.inference import freeze, predict_with_features, probed
from kd_core.nn.pairs import Pair
from kd_core.tasks import Task
from kd_core.training.data import Batch, BatchSampler, Examples, confident_examples
from kd_core.training.optim import ramp_up
from kd_core.training.vectorized.replicas import random_layer

MAX_CACHED_BYTES = 512_000_000  # bytes of features that are cached of a teacher


class NotFiniteError(ArithmeticError):
    """A part of the loss is infinite or not a number; nothing was updated."""

    def __init__(self, role: str, part: str) -> None:
        super().__init__(f"{part} of the {role} is not finite")
        self.role, self.part = role, part


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
        self.task = examples.data.task
        self.source: NetworkTrainer | None = None  # whose weights it averages, and then it learns nothing itself
        self.network = probed(network) if learner.is_probe else network.train()
        self.recipe, self._others = recipe, others
        self.rate = recipe.learning_rate
        self.ema_model = _ema_model(network, recipe.ema)
        self.criteria: list[Criterion] = []
        self.sampler: BatchSampler  # of its batches, which may depend on its teachers
        self.networks: Mapping[str, nn.Module] = {}  # by role, for the maker of its batches
        self.memory: dict[str, Tensor] = {}  # of that maker
        self.paths: dict[str, str] = {}  # module paths, by layer, whose features are recorded at every step
        self.raw_outputs = torch.empty(0)
        self.logits = torch.empty(0)
        self.features: dict[str, Tensor] = {}
        # What a module from Python draws is not known.
        self.is_random = not learner.model.can_be_stacked or bool(random_layer(network))

    def set_source(self, source: NetworkTrainer) -> None:
        """Begin with the weights of another network, and average them from now on."""
        self.source, self.ema_model = source, None
        self.network.load_state_dict(source.network.state_dict())
        freeze(self.network)

    def set_criteria(self, criteria: list[Criterion]) -> None:
        """Set the losses of the learner's teachers; without any it learns from the labels alone."""
        self.criteria = criteria
        for criterion in criteria:
            self.paths |= criterion.paths
            criterion.student_classifier = last_linear(self.network)
            criterion.adapters.to(self.examples.device).train()

    @property
    def evaluated_network(self) -> nn.Module:
        """The network that is evaluated and kept, the trained one or the moving average of its weights."""
        return self.network if self.ema_model is None else self.ema_model.module

    def batch(self, done: int) -> Batch:
        """Return the batch of the step after ``done`` others."""
        maker, sampler = self.learner.maker, self.sampler
        if maker is None:
            return sampler.batch(done)
        stored, seed = sampler.examples.stored(sampler.rows(done)), derive_seed(self.learner.seed, "made", done)
        with torch.no_grad():
            inputs, labels = maker.make(
                MakerInputs(stored.inputs, stored.labels, self.networks, self.memory, done, seed)
            )
        made = replace(stored, inputs=inputs, labels=labels, is_made=True)
        return sampler.examples.augmented(made, derive_seed(sampler.seed, "augmentation", done))

    def forward(self, batch: Batch, step: int) -> None:
        """Compute the rows of logits (N, K) and the features of a batch."""
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
            self.raw_outputs = self.network(inputs).float()
            self.logits = self.task.rows(self.raw_outputs)
            self.features = {layer: features.float() for layer, features in recorded.items()}

    def outputs(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:  # noqa: ARG002
        """Return the detached logits and features of the last :meth:`forward`, for the networks it teaches."""
        return self.logits.detach(), {layer: features.detach() for layer, features in self.features.items()}

    def loss(self, batch: Batch, step: int, epoch: int) -> list[LossPart]:
        """Return the parts of the loss of the last :meth:`forward`, in float32; none of a moving average."""
        if self.source is not None:
            return []
        further = self.task.further_losses(self.raw_outputs, batch.labels)
        return [*self._parts(batch, step, epoch), *(LossPart(name, 1.0, value) for name, value in further.items())]

    def _parts(self, batch: Batch, step: int, epoch: int) -> list[LossPart]:
        """Return the parts of the loss of the rows of logits, by the method or the labels alone."""
        if self.method is None or not self.criteria:
            (labels, has), smoothing = batch.known_labels(self.task), self.recipe.smoothing
            return [label_part(self.logits, labels, 1.0, has, mixed=batch.mixed_rows(self.task), smoothing=smoothing)]
        seed = derive_seed(self.learner.seed, "method", step)
        parts = [
            self.method.parts(criterion.signals(self.logits, self.features, batch, epoch=epoch, seed=seed))
            for criterion in self.criteria
        ]
        weights = [criterion.weight for criterion in self.criteria]
        if self.learner.drop and len(parts) > 1:
            weights = remaining_weights(weights, self.learner.drop, derive_seed(self.learner.seed, "teachers", step))
        means = parts[0]
        if len(parts) > 1:
            means = [_weighted_mean(same_part, weights) for same_part in zip(*parts, strict=True)]
        if not self.learner.ramp_up:
            return means
        factor = ramp_up(step, self.learner.ramp_up * self.sampler.steps_per_epoch)
        constant = self.method.teacher_free_parts
        return [part if part.name in constant else replace(part, weight=factor * part.weight) for part in means]

    def update_average(self, done: int) -> None:
        """Update moving averages of the weights after ``done`` steps and one more.

        Early steps keep less of an average than ``decay`` says (the code of Tarvainen & Valpola 2017).
        """
        if self.source is not None:
            update_average(self.network, self.source.network, min(1.0 - 1.0 / (done + 1), self.learner.decay))
        if self.ema_model is not None:
            self.ema_model.update_parameters(self.network)

    @property
    def modules(self) -> nn.ModuleList:
        """Network, adapters and moving average, whose weights and buffers a step may change."""
        averages = [] if self.ema_model is None else [self.ema_model]
        return nn.ModuleList([self.network, *(criterion.adapters for criterion in self.criteria), *averages])

    def set_live_options(self, live: Mapping[str, float]) -> None:
        """Apply the live options of the method, and the learning rate."""
        if self.method is not None:
            self.method = live_method(self.learner, self.method, live)
            for criterion in self.criteria:
                criterion.method = self.method
        self.rate = live.get("learning_rate", self.rate)

    def trainable_parameters(self) -> list[nn.Parameter]:
        """Return the weights that the optimiser changes, those of the network, then those of the adapters."""
        modules = (self.network, *(criterion.adapters for criterion in self.criteria))
        return [p for module in modules for p in module.parameters() if p.requires_grad and p not in self._others]


def live_method(learner: LearnerPlan, method: Method, live: Mapping[str, float]) -> Method:
    """Return the method with the values of live options, which do not change one that belongs to the scheme."""
    names = () if learner.is_fixed else options_of(type(method))
    return method.with_values(**{name: value for name, value in live.items() if name in names})


def _ema_model(network: nn.Module, decay: float) -> AveragedModel | None:
    if not decay:
        return None
    average = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
    return AveragedModel(network, multi_avg_fn=average, use_buffers=True).requires_grad_(False)


def _weighted_mean(parts: tuple[LossPart, ...], weights: list[float]) -> LossPart:
    """Average the same part over several teachers; ``weights`` sum to 1."""
    value = sum((part.value * weight for part, weight in zip(parts, weights, strict=True)), torch.zeros(()))
    return LossPart(parts[0].name, parts[0].weight, value)


class Criterion:
    """A method, the student/teacher pair it is built for, its adapters and its teachers.

    Args:
        method: The loss.
        pair: Student and teacher as the method sees them.
        labels: (N, ...) labels of all examples of the phase, -1 for none.
        task: What their rows are.
        seed: Seed of the adapters' weights.
        weight: Weight of this teacher where the losses of several teachers are averaged.
    """

    def __init__(
        self, method: Method, pair: Pair, labels: Tensor, task: Task, *, seed: int, weight: float = 1.0
    ) -> None:
        self.method, self.task, self.weight = method, task, weight
        self.matches = method.matches(pair)
        self.paths = select_layers(method.feature_layers(pair), [match.student for match in self.matches])
        self.teacher_paths = select_layers(method.teacher_layers(pair), [match.teacher for match in self.matches])
        with use_seed(seed, "adaptors"):
            classes = labels if task.has_class_per_example else torch.zeros(len(labels), dtype=torch.long)
            self.adapters: nn.ModuleDict = method.adapters(pair, classes.cpu())
        self.teachers: Sequence[FrozenTeacher | NetworkTrainer] = ()
        self.student_classifier: nn.Linear | None = None
        self.teacher_classifier: nn.Linear | None = None
        self.combine = PROBABILITIES
        self.weights: tuple[float, ...] = ()
        self._lacks_labels = not bool(task.is_labelled(labels).all())

    @property
    def frozen_teacher(self) -> FrozenTeacher:
        """The only teacher, which is trained before the first step."""
        (teacher,) = self.teachers
        assert isinstance(teacher, FrozenTeacher)
        return teacher

    def signals(
        self, logits: Tensor, features: dict[str, Tensor], batch: Batch, *, epoch: int, seed: int
    ) -> LossInputs:
        """Return the inputs of the method for one batch.

        An example without a label gets the teacher's top class instead, and False in ``is_labelled``.
        """
        outputs = [teacher.outputs(batch) for teacher in self.teachers]
        labels, mixed = self.task.row_labels(batch.labels), batch.mixed_rows(self.task)
        teacher_logits = self._combined([logits for logits, _ in outputs])
        teacher_features = outputs[0][1]
        has_label = None
        if self._lacks_labels or batch.is_made:
            has_label, answers = self.task.is_labelled(labels), self.task.answers(teacher_logits)
            labels = torch.where(has_label, labels, answers)
            if mixed is not None:  # a blend is labelled only if both of its images are
                is_second_labelled = self.task.is_labelled(mixed.labels)
                has_label &= is_second_labelled
                mixed = replace(mixed, labels=torch.where(is_second_labelled, mixed.labels, answers))
            has_label = has_label if has_label.dim() == 1 else has_label.all(1)
        return LossInputs(
            logits,
            labels,
            teacher_logits,
            epoch,
            features,
            teacher_features,
            self.matches,
            self.adapters,
            batch.rows,
            seed,
            has_label,
            mixed,
            None if self.student_classifier is None else self.student_classifier.weight,
            None if self.teacher_classifier is None else self.teacher_classifier.weight.detach(),
        )

    def _combined(self, logits: list[Tensor]) -> Tensor:
        if len(logits) == 1:
            return logits[0]
        if self.combine == LOGITS or not self.task.has_class_rows:
            return average_logits(logits, self.weights)
        temperature = self.method.values().get("temperature", 1.0)
        return average_probabilities(logits, self.weights, temperature)


class FrozenTeacher:
    """Logits and features of a trained ``teacher`` for the ``examples`` of a phase, augmented as for the student.

    Without augmentation the logits are computed once, and so are the features at ``paths`` (module paths by layer) if
    they fit into :data:`MAX_CACHED_BYTES` bytes. Everything else is computed batch by batch.
    """

    def __init__(self, teacher: nn.Module, examples: Examples, paths: Mapping[str, str], compute: Compute) -> None:
        self.teacher, self.examples, self.paths, self.compute = teacher, examples, paths, compute
        _, first = self._predict(examples.inputs[:1], paths)
        size = 4 * len(examples) * sum(math.prod(features.shape) for features in first.values())
        self.is_cached = examples.is_fixed and size <= MAX_CACHED_BYTES
        if examples.is_fixed:
            self.logits, self.features = self._predict(examples.inputs, paths if self.is_cached else {})

    def outputs(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Return rows of logits (N, K) and features by layer of a batch."""
        rows = self.examples.data.task.rows
        if self.is_cached and not batch.is_made:
            features = {layer: features[batch.rows] for layer, features in self.features.items()}
            return rows(self.logits[batch.rows]), features
        logits, features = self._predict(batch.inputs, self.paths)
        is_stored = self.examples.is_fixed and not batch.is_made
        return rows(self.logits[batch.rows] if is_stored else logits), features

    def clean_logits(self) -> Tensor:
        """Return the logits (N, K) of all examples without augmentation."""
        return self.logits if self.examples.is_fixed else self._predict(self.examples.inputs, {})[0]

    def _predict(self, inputs: Tensor, paths: Mapping[str, str]) -> tuple[Tensor, dict[str, Tensor]]:
        with self.compute.autocast(self.examples.device):
            return predict_with_features(self.teacher, inputs, paths)


def build_criteria(
    trainer: NetworkTrainer,
    phases: Sequence[PhasePlan],
    data: Data,
    teachers: Mapping[str, nn.Module | NetworkTrainer],
    frozen: dict[object, FrozenTeacher],
) -> list[Criterion]:
    """Return one criterion for all teachers, or one for each where their losses are averaged.

    Args:
        trainer: The trainer of the student.
        phases: All phases of the run.
        data: The three splits.
        teachers: Trained networks by role, or the trainers of networks that learn in the same phase.
        frozen: Teachers of other students of the phase, to which those of this one are added.
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
        criterion = Criterion(
            learner.method, pairs[number], trainer.labels, trainer.task, seed=learner.seed, weight=weight
        )
        criterion.combine, criterion.weights = learner.combine, weights
        criterion.teachers = [_teacher(teachers[role], trainer, criterion.teacher_paths, frozen) for role in roles]
        first = criterion.teachers[0]
        criterion.teacher_classifier = last_linear(first.teacher if isinstance(first, FrozenTeacher) else first.network)
        criteria.append(criterion)
    return criteria


def _teacher(
    teacher: nn.Module | NetworkTrainer,
    student: NetworkTrainer,
    paths: dict[str, str],
    frozen: dict[object, FrozenTeacher],
) -> FrozenTeacher | NetworkTrainer:
    if isinstance(teacher, NetworkTrainer):
        teacher.paths |= paths
        return teacher
    key = (teacher, *paths.items())
    if key not in frozen:
        frozen[key] = FrozenTeacher(teacher, student.examples, paths, student.compute)
    return frozen[key]


def visible_rows(trainer: NetworkTrainer) -> Tensor:
    """Return the positions of the examples that a network trains on."""
    rows, learner = trainer.examples.rows, trainer.learner
    chooses = learner.confidence or learner.is_balanced
    if learner.sees == ALL or (learner.sees != LABELLED and not chooses):
        return rows
    is_visible = trainer.task.is_labelled(trainer.labels).reshape(len(trainer.labels), -1).any(1)
    if learner.sees != LABELLED:
        logits = trainer.criteria[0].frozen_teacher.clean_logits()
        is_visible = is_visible | confident_examples(logits, learner.confidence, learner.is_balanced)
    return rows[is_visible[rows]]
