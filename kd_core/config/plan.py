"""Plan of a run with its phases, learners and derived networks; network construction and teacher cache key."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from kd_core.config.label_subset import TrainSubset
from kd_core.config.recipe import Recipe, TeacherRecipe
from kd_core.datasets import Data, Dataset, NotAvailableError
from kd_core.methods import Method
from kd_core.models import Model
from kd_core.models._normalisation import with_conversion
from kd_core.nn.composite import ClassSubset, with_trunk
from kd_core.nn.hooks import feature_shapes
from kd_core.nn.pairs import Pair, SelfPair

TEACHER, STUDENT, BASELINE = "teacher", "student", "baseline"  # roles, and kinds of role
PROBABILITIES, LOGITS, LOSSES = "probabilities", "logits", "losses"  # what is averaged over several teachers
# How a network is derived from others.
AVERAGE, MEAN_LOGITS, JOINED, RAW, CORRECTED = "average", "mean of logits", "joined", "joined as they are", "corrected"
FEATURES = ("feature", "relation")  # families of losses that need neither labels nor logits
ALL, LABELLED, SURE = "all", "labelled", "sure"  # examples
MAX_EVALUATIONS = 200  # of a phase, besides the one before its first step


@dataclass(frozen=True)
class MakerInputs:
    """What a batch maker may use at one step.

    Attributes:
        inputs: (B, ...), of the stored batch.
        labels: Of the stored batch, -1 for none.
        networks: By role, those of earlier phases, frozen, and those of this phase with their present weights.
        memory: Tensors that last from step to step and are in checkpoints. Replace them instead of changing them in
            place, since a step may be undone.
        step: Steps taken before.
        seed: For random draws, another one at every step.
    """

    inputs: Tensor
    labels: Tensor
    networks: Mapping[str, nn.Module]
    memory: dict[str, Tensor]
    step: int
    seed: int


class BatchMaker(ABC):
    """Base class of what a scheme trains a network on in the place of stored examples.

    Texts that the student writes are one case, and images that are computed from a teacher another. A subclass is a
    frozen dataclass, since it is a part of the plan.
    """

    @abstractmethod
    def make(self, stored: MakerInputs) -> tuple[Tensor, Tensor]:
        """Return inputs (B, ...) and labels, -1 for none, of one step.

        It is called without gradients, before any network sees the batch. What it returns is augmented like stored
        examples, and each teacher computes its outputs for it anew. No random number may come from anywhere but the
        seed.
        """

    def pictures(self, memory: Mapping[str, Tensor]) -> tuple[Tensor, Tensor] | None:  # noqa: ARG002
        """Return inputs (n, ...) and intended classes (n,) for the screen as they are now; None to show nothing."""
        return None

    @abstractmethod
    def in_words(self) -> str:
        """Return one clause on the examples for the screen, such as "1,000 images made from the teacher"."""


@dataclass(frozen=True)
class LearnerPlan:
    """One network that is trained in a phase; without a method it learns from the labels alone.

    A teacher is given by its role. If it is of an earlier phase, it is frozen; if it is of the same phase, it teaches
    with its present weights; if it is the learner's own role, its later layers teach the earlier ones.
    """

    role: str
    model: Model
    seed: int  # of the initial weights
    method: Method | None = None
    teachers: tuple[str, ...] = ()
    combine: str = PROBABILITIES  # what is averaged over several teachers
    weights: tuple[float, ...] = ()  # of the teachers; equal if empty
    kind: str = ""  # teacher, student or baseline; the role if empty
    begins_with: str = ""  # role from whose weights it starts
    uploaded: str = ""  # uploaded weights to start from; see kd_core.nn.weights
    trunk: tuple[str, str] = ("", "")  # (role, layer): it shares that network up to the layer, and ``model`` follows
    classes: tuple[int, ...] = ()  # that it can predict; empty: all
    sees: str = ALL  # all examples, the labelled ones, or also those whose pseudo-label is confident
    confidence: float = 0.0  # of the teacher, from which on a pseudo-label is used
    is_balanced: bool = False  # as many pseudo-labels of every class
    is_fixed: bool = False  # its method belongs to the scheme, and live options do not change it
    noise: float = 0.0  # standard deviation of noise on its inputs
    maker: BatchMaker | None = None  # makes its batches from stored ones
    average_of: str = ""  # role of this phase: its weights are the moving average of those, and it is not trained
    decay: float = 0.0  # of that average
    drop: float = 0.0  # probability that a step leaves out one of several teachers whose losses are averaged
    ramp_up: int = 0  # epochs over which the weight of its teachers rises to that of the method
    is_probe: bool = False  # its last linear layer alone is trained, and the layers before it stay in eval mode

    @property
    def imported(self) -> str:
        """Id of the imported weights or of the imported teacher; empty for a network of this program's own training."""
        return self.uploaded or (str(self.model.values().get("id", "")) if self.model.is_imported else "")

    @property
    def is_label_free(self) -> bool:
        """Whether its scheme has it learn features alone."""
        method = self.method
        return self.is_fixed and method is not None and method.family in FEATURES and not method.weights.labels

    @property
    def is_self_taught(self) -> bool:
        """Whether it is its own teacher."""
        return self.teachers == (self.role,)


@dataclass(frozen=True)
class DerivedPlan:
    """A network that is not trained, but derived from trained ones when its phase ends.

    ``how`` is the average of probabilities or of logits; the merger of networks for different classes; or a
    correction, which raises the logit of the ``omitted`` class until it is predicted as often as it occurs in the
    validation split.
    """

    role: str
    sources: tuple[str, ...]
    how: str
    weights: tuple[float, ...] = ()
    kind: str = STUDENT
    omitted: int = -1

    def in_words(self) -> str:
        """Return the text that takes the place of an architecture."""
        return f"{self.how}: {', '.join(self.sources)}"


@dataclass(frozen=True)
class PhasePlan:
    """Learners trained side by side, on the same batches in the same order, each with an optimiser of its own."""

    name: str
    learners: tuple[LearnerPlan, ...]
    recipe: Recipe | TeacherRecipe
    view: TrainSubset
    order_seed: int
    is_kept: bool = False  # cached: its result depends on nothing but its cache key
    until: float = 0.0  # validation accuracy of every learner at which it ends early; 0 for none
    derived: tuple[DerivedPlan, ...] = ()

    @property
    def networks(self) -> tuple[LearnerPlan | DerivedPlan, ...]:
        """The learners, then the networks derived from them."""
        return (*self.learners, *self.derived)


def kind_of(network: LearnerPlan | DerivedPlan) -> str:
    """Return the kind (teacher, student or baseline) that the scheme gives, else the one of the role."""
    return network.kind or (network.role if network.role in (TEACHER, STUDENT, BASELINE) else STUDENT)


def describe_examples(phase: PhasePlan, learner: LearnerPlan, data: Data) -> str:
    """Return what a learner is trained on, as a clause."""
    if learner.average_of:
        return "nothing itself"
    if learner.maker is not None:
        clause = learner.maker.in_words()
    elif learner.is_label_free:
        clause = replace(phase.view, is_blind=True).in_words(data)
    else:
        clause = phase.view.labels.in_words(data) if learner.sees == LABELLED else phase.view.in_words(data)
    if learner.sees == SURE and learner.confidence:
        clause += f" of which its teacher is at least {100 * learner.confidence:.0f} % sure"
    clause += ", as many of every class" if learner.is_balanced else ""
    clause += ", the last layer alone" if learner.is_probe else ""
    return clause + (f", with noise of {learner.noise:g}" if learner.noise else "")


def find_by_role(phases: Iterable[PhasePlan], role: str) -> LearnerPlan | DerivedPlan:
    """Return the first network of a role; later ones of the same role have the same architecture."""
    return next(network for phase in phases for network in phase.networks if network.role == role)


def dependencies(phases: Sequence[PhasePlan], role: str) -> set[str]:
    """Return every role that has to be trained for ``role``, including itself, its teachers and what it starts from."""
    network = find_by_role(phases, role)
    roles = {role} if isinstance(network, LearnerPlan) else set()
    queue = [*network.sources] if isinstance(network, DerivedPlan) else [role]
    while queue:
        network = find_by_role(phases, queue.pop())
        if isinstance(network, DerivedPlan):
            needed = set(network.sources)
        else:
            needed = {network.role, *network.teachers, network.begins_with, network.trunk[0], network.average_of}
            needed -= {""}
        queue += needed - roles
        roles |= {other for other in needed if isinstance(find_by_role(phases, other), LearnerPlan)}
    return roles


def model_of(phases: Sequence[PhasePlan], role: str) -> Model:
    """Return the architecture of a role; of a derived network that of its first source."""
    network = find_by_role(phases, role)
    return network.model if isinstance(network, LearnerPlan) else model_of(phases, network.sources[0])


def pairs_of(learner: LearnerPlan, phases: Sequence[PhasePlan], data: Data) -> tuple[Pair, ...]:
    """Return the learner paired with each of its teachers, as its method sees them."""
    shape, classes = data.shape, len(data.classes)
    if learner.is_self_taught:
        return (SelfPair(learner.model, learner.model, shape, classes),)
    return tuple(Pair(learner.model, model_of(phases, teacher), shape, classes) for teacher in learner.teachers)


def build(learner: LearnerPlan, phases: Sequence[PhasePlan], data: Data) -> nn.Module:
    """Build the learner's network, initialised from torch's global generator.

    One that was trained elsewhere has a first layer that converts the inputs, even if they need no conversion, so that
    its stored weights fit whatever became of the file.
    """
    shape, classes = data.shape, len(data.classes)
    if learner.imported:
        expected = learner.model.expected_input(shape[0]) if data.has_images else None
        return with_conversion(learner.model.build(shape, classes), data, expected)
    if learner.trunk[0]:
        role, layer = learner.trunk
        owner = model_of(phases, role)
        trunk, _ = owner.split(owner.build(shape, classes), layer)
        return with_trunk(trunk, learner.model.build(feature_shapes(owner, shape, classes)[layer], classes))
    if learner.classes:
        return ClassSubset(learner.model.build(shape, len(learner.classes)), learner.classes, classes)
    if learner.method is None or learner.is_self_taught:
        return learner.model.build(shape, classes)
    return learner.method.build(pairs_of(learner, phases, data)[0])


def check_trainable(phases: Sequence[PhasePlan]) -> None:
    """Raise NotAvailableError for a network that was given to another process, which alone can train it."""
    for phase in phases:
        for learner in phase.learners:
            if phase.recipe.epochs and not learner.model.can_train:
                raise NotAvailableError(
                    f"{learner.role}: the network {learner.model.title} was given from Python, and only the outputs of "
                    "its stored weights can be computed here. Pass it again in Python, or choose another network."
                )


def cache_key(dataset: Dataset, phase: PhasePlan, settings: str) -> str:
    """Return everything that the result of a cached phase depends on, as text.

    ``settings`` are those of augmentation and computation.
    """
    learners = [
        (learner.role, learner.model.to_dict(), learner.seed, learner.classes, learner.begins_with, learner.uploaded,
         learner.trunk)
        for learner in phase.learners
    ]  # fmt: skip
    subset = (phase.view.labels.values(), phase.view.seed, phase.view.classes, phase.order_seed, phase.until)
    return repr((dataset.to_dict(), learners, phase.recipe.values(), subset, settings, torch.__version__))


def steps_per_epoch(phase: PhasePlan, data: Data) -> int:
    """Return the optimiser steps of one pass over the examples of a phase.

    The last batch may be smaller; a rest of one example joins the batch before it.
    """
    whole, rest = divmod(phase.view.count(data), phase.recipe.batch_size)
    return whole if rest == 0 or (rest == 1 and whole) else whole + 1


def epochs_per_evaluation(phase: PhasePlan) -> int:
    """Return the epochs between evaluations, 1 or as many as limit a phase to :data:`MAX_EVALUATIONS` of them."""
    return max(1, -(-phase.recipe.epochs // MAX_EVALUATIONS))


def steps_per_evaluation(phase: PhasePlan, data: Data) -> int:
    """Return the steps between evaluations, of which there may be several in each epoch of a short phase."""
    steps, per_epoch = steps_per_epoch(phase, data), data.task.evaluations_per_epoch
    if phase.recipe.epochs * per_epoch > MAX_EVALUATIONS:
        return steps * epochs_per_evaluation(phase)
    return -(-steps // per_epoch)
