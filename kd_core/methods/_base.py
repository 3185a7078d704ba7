"""Base class of losses, the inputs and the parts of a loss, and the cross-entropy with the labels."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kd_core.base.options import as_text, option_label, options_of
from kd_core.base.registry import Plugin
from kd_core.nn.hooks import LOGITS
from kd_core.nn.pairs import Match, Pair

LABELS = "labels"  # in a match, in the place of a teacher's layer
LABEL_ERROR = "MSE(labels)"  # in the place of "CE", the part of labels that are numbers
FAMILIES = ("response", "teacher-free", "feature", "relation")  # in the order of every list


@dataclass(frozen=True)
class MixedLabels:
    """Labels of a batch blended by mixup.

    Every example is ``fraction`` of itself and the rest of an example labelled ``labels`` (B,).
    """

    labels: Tensor
    fraction: float


@dataclass(frozen=True)
class LossInputs:
    """Inputs of a loss for one batch. The teacher's side has no gradient.

    Attributes:
        student_logits: (B, K), float32; of a regression the D predicted numbers.
        labels: (B,), int64; where ``is_labelled`` is False, the teacher's top class. Of a regression (B, D), float32,
            with the teacher's numbers there.
        teacher_logits: (B, K), float32.
        epoch: Passes over the examples before this one.
        student_features: By layer, maps (B, C, H, W) or vectors (B, D), of the layers that ``matches`` name.
        teacher_features: The same of the teacher.
        matches: What :meth:`Method.matches` returned.
        adapters: What :meth:`Method.adapters` built.
        rows: (B,), positions among the student's training examples.
        seed: For random draws, another one at every step.
        is_labelled: (B,), whether an example has a label; None if all have one.
        mixup: What was mixed into the examples; ``labels`` is the class of the larger part.
        student_classifier: (K, D), weights of the student's last linear layer; None if it has none.
        teacher_classifier: The same of the teacher.
    """

    student_logits: Tensor
    labels: Tensor
    teacher_logits: Tensor
    epoch: int = 0
    student_features: Mapping[str, Tensor] = field(default_factory=dict)
    teacher_features: Mapping[str, Tensor] = field(default_factory=dict)
    matches: tuple[Match, ...] = ()
    adapters: nn.ModuleDict = field(default_factory=nn.ModuleDict)
    rows: Tensor | None = None
    seed: int = 0
    is_labelled: Tensor | None = None
    mixup: MixedLabels | None = None
    student_classifier: Tensor | None = None
    teacher_classifier: Tensor | None = None

    def label_part(self, weight: float) -> LossPart:
        """Return the part of the labels of the batch; see :func:`label_part`."""
        return label_part(self.student_logits, self.labels, weight, self.is_labelled, mixed=self.mixup)

    def warm_up_factor(self, warm_up: int) -> float:
        """Return the fraction of a warm-up of so many epochs that is over at the end of this epoch; 1 without one."""
        return min((self.epoch + 1) / warm_up, 1.0) if warm_up else 1.0


@dataclass(frozen=True)
class LossPart:
    """Named term of a training loss, a scalar tensor in nats with its weight in the sum."""

    name: str
    weight: float
    value: Tensor


class LossWeights(NamedTuple):
    """Weights of the labels, of the soft targets beside the method's own term, and of that term."""

    labels: float
    soft_targets: float
    term: float


class Method(Plugin):
    """Base class of losses. The training loss is the sum of the weighted parts."""

    required: ClassVar[tuple[str, ...]] = ("title", "paper", "formula")

    paper: ClassVar[str] = ""  # authors, year, section
    formula: ClassVar[str] = ""  # LaTeX, with the symbols of the options
    requires: ClassVar[str] = ""  # what the loss needs of the networks, as a noun
    defaults_source: ClassVar[str] = ""  # where the default options come from, one sentence
    pitfall: ClassVar[str] = ""  # the commonest mistake, one sentence
    teacher_free_parts: ClassVar[tuple[str, ...]] = ("CE", LABEL_ERROR)  # parts that do not depend on a teacher
    takes_classes: ClassVar[bool] = True  # whether it applies to logits of classes
    needs_class_per_example: ClassVar[bool] = False  # whether it classifies examples by layers of its own
    needs_several_classes: ClassVar[bool] = False  # whether nothing is left to compare where a row has two
    takes_numbers: ClassVar[bool] = False  # whether it applies to predicted numbers, as of a regression
    discards_adapters: ClassVar[bool] = True  # whether the layers between the networks are dropped after training
    softens_targets: ClassVar[bool] = False  # whether the method's term divides logits by `temperature` before softmax
    # Whether every class has a probability of its own: an average of softmax probabilities says nothing about those.
    per_class_probabilities: ClassVar[bool] = False
    remembers_examples: ClassVar[bool] = False  # whether it stores something of every training example by its row
    # Options in which runs may differ that are trained together by `vectorized_loss`; empty without such a form.
    vectorized_options: ClassVar[frozenset[str]] = frozenset()

    def unsupported_reason(self, pair: Pair) -> str:  # noqa: ARG002
        """Return why the loss does not apply to these networks and data, as the end of a sentence; empty if it does."""
        return ""

    def matches(self, pair: Pair) -> tuple[Match, ...]:  # noqa: ARG002
        """Return the pairs of layers that are compared."""
        return (Match(LOGITS, LOGITS),)

    def adapters(self, pair: Pair, labels: Tensor) -> nn.ModuleDict:  # noqa: ARG002
        """Build the layers that are trained beside the student, initialised from torch's global generator.

        ``labels`` (N,) are those of the student's training examples. The keys "student 0" and "teacher 0" name the
        match, and the side of it, that an adapter belongs to; other keys belong to the method as a whole.
        """
        return nn.ModuleDict()

    @property
    def uses_teacher(self) -> bool:
        """Whether the loss depends on a teacher under the current options."""
        return True

    @property
    def weights(self) -> LossWeights:
        """Weights of labels, soft targets and the method's own term under the current options."""
        return LossWeights(0.0, 0.0, 1.0)

    def connecting_layers(self, pair: Pair) -> nn.ModuleDict:
        """Return the adapters, to be listed before the run."""
        return self.adapters(pair, torch.empty(0, dtype=torch.long))

    def build(self, pair: Pair) -> nn.Module:
        """Build the student's network from torch's global generator; its own weights are drawn first."""
        return pair.student.build(pair.shape, pair.classes)

    def feature_layers(self, pair: Pair) -> Mapping[str, str]:
        """Return the module path of each named layer in what :meth:`build` returns."""
        return pair.student.feature_layers()

    def teacher_layers(self, pair: Pair) -> Mapping[str, str]:
        """Return the module path of each named layer in the teacher."""
        return pair.teacher.feature_layers()

    @property
    def changes_student(self) -> bool:
        """Whether :meth:`build` returns another network than the student's family does."""
        return type(self).build is not Method.build

    def initialise_student(self, pair: Pair, network: nn.Module, teacher: nn.Module) -> None:
        """Copy into the new student whatever it takes over from the trained teacher."""

    def initialise_code(self, pair: Pair) -> str:  # noqa: ARG002
        """Return :meth:`initialise_student` as one line of code, with ``{student}`` and ``{teacher}`` for the names."""
        return ""

    def to_latex(self) -> str:
        """Return the loss in LaTeX with the current numbers, by default the formula and a list of the options."""
        numbers = [
            rf"\text{{{option_label(name, option)}}} = \text{{{as_text(getattr(self, name))}}}"
            for name, option in options_of(type(self)).items()
        ]
        return rf"\text{{loss}} = {self.formula}" + (rf",\quad {', '.join(numbers)}" if numbers else "")

    @abstractmethod
    def parts(self, signals: LossInputs) -> list[LossPart]:
        """Return the loss of one batch, term by term."""

    def vectorized_numbers(self) -> list[float]:
        """Return what :meth:`vectorized_loss` needs of one replica's options; every replica has as many."""
        return []

    def vectorized_loss(
        self, logits: Tensor, teacher_logits: Tensor, label_loss: tuple[Tensor, Tensor], numbers: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return gradients (R, K, B), totals (R,) and raw parts (P, R) of R replicas, in nats and in closed form.

        Only called where :attr:`vectorized_options` are given.

        Args:
            logits: (R, K, B), of the replicas.
            teacher_logits: (R, B, K).
            label_loss: Gradients (R, K, B) and values (R,) of the cross-entropy with the labels.
            numbers: (M, R, 1, 1), :meth:`vectorized_numbers` of every replica.
        """
        raise NotImplementedError


def latex_sum(*terms: tuple[float, str]) -> str:
    """Return a loss in LaTeX with its numbers, from (weight, term) pairs; terms of weight 0 are left out."""
    weighted = [rf"{weight:.5g} \cdot {term}" for weight, term in terms if weight]
    return r"\text{loss} = " + (" + ".join(weighted) or "0")


def sum_tensors(terms: Sequence[Tensor]) -> Tensor:
    """Return the sum of tensors without adding 0 first, which would change the bits of a single one."""
    return sum(terms[1:], terms[0])


def label_part(
    student_logits: Tensor,
    labels: Tensor,
    weight: float = 1.0,
    is_labelled: Tensor | None = None,
    *,
    mixed: MixedLabels | None = None,
    smoothing: float = 0.0,
) -> LossPart:
    """Return the cross-entropy with the labels, mean over the labelled examples of the batch, 0 if there are none.

    It is all that a network without a teacher minimises. A blend of two examples has both labels, each with its
    fraction (Zhang et al. 2018, "mixup", section 2). With labels (B, D) that are numbers it is the mean squared error.
    """
    if mixed is not None:
        first, second = (
            label_part(student_logits, blended, weight, is_labelled, smoothing=smoothing).value
            for blended in (labels, mixed.labels)
        )
        name = LABEL_ERROR if labels.is_floating_point() else "CE"
        return LossPart(name, weight, mixed.fraction * first + (1 - mixed.fraction) * second)
    if labels.is_floating_point():
        errors = (student_logits - labels).square().mean(1)
        return LossPart(LABEL_ERROR, weight, _mean_of_labelled(errors, is_labelled))
    log_q = log_softmax(student_logits.float())
    if is_labelled is None and not smoothing:
        return LossPart("CE", weight, F.nll_loss(log_q, labels))
    losses = F.nll_loss(log_q, labels, reduction="none")
    if smoothing:
        losses = (1 - smoothing) * losses - smoothing * log_q.mean(1)
    return LossPart("CE", weight, _mean_of_labelled(losses, is_labelled))


def _mean_of_labelled(losses: Tensor, is_labelled: Tensor | None) -> Tensor:
    if is_labelled is None:
        return losses.mean()
    return (losses * is_labelled).sum() / is_labelled.sum().clamp(min=1)


def log_softmax(logits: Tensor) -> Tensor:
    """Return the logarithm of softmax of logits (B, K).

    The classes come first in memory, since a softmax over the last few numbers is several times slower.
    """
    return logits.t().contiguous().log_softmax(0).t()


def total_loss(parts: list[LossPart]) -> Tensor:
    """Return the training loss. Parts of weight 0 are left out and cannot change a single bit (0 * inf is NaN)."""
    weighted = [part.value * part.weight for part in parts if part.weight]
    # With every weight at 0 nothing is learned, and nothing fails.
    return sum_tensors(weighted) if weighted else torch.zeros_like(parts[0].value, requires_grad=True)
