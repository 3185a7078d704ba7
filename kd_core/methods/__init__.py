"""Losses, one file each: WHAT the student matches.

In each file the pure function of the file's name comes first, its options second.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kd_core.base.namespaces import class_names, plugin_class
from kd_core.base.registry import Plugin
from kd_core.nn.hooks import LOGITS
from kd_core.nn.pairs import Match, Pair

__all__ = [
    "FAMILIES",
    "LABELS",
    "LOGITS",
    "LossInputs",
    "LossPart",
    "Match",
    "Method",
    "MixedLabels",
    "Pair",
    "cross_entropy_with_gradient",
    "label_part",
    "latex_sum",
    "total_loss",
]

LABELS = "labels"  # in a match, in the place of a teacher
FAMILIES = ("response", "teacher-free", "feature", "relation")  # in the order of every list


@dataclass(frozen=True)
class MixedLabels:
    """Every example of a batch is a blend of two: ``fraction`` of itself, the rest of one labelled ``labels`` (B,)."""

    labels: Tensor
    fraction: float


@dataclass(frozen=True)
class LossInputs:
    """One batch as both networks see it: all that a method may look at. The teacher's side has no gradient.

    ``student_logits`` and ``teacher_logits`` (B, K), float32; ``labels`` (B,). ``student_features`` and
    ``teacher_features`` by tap: maps (B, C, H, W) and vectors (B, D), those that the method's matches name.
    ``adapters`` are what :meth:`Method.adapters` built. ``rows`` (B,): positions among the examples shown, ``epoch``:
    passes over them made before this one. ``seed``: for chance, another one at every step. ``is_labelled`` (B,):
    whose label is one; elsewhere ``labels`` is the teacher's top class. None: all are. ``mixup``: what was mixed into
    the examples; ``labels`` is the class of the larger part.
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

    def label_part(self, weight: float) -> LossPart:
        """The cross-entropy with the labels; see :func:`label_part`."""
        return label_part(self.student_logits, self.labels, weight, self.is_labelled, mixed=self.mixup)

    def warm_up_factor(self, warm_up: int) -> float:
        """How much of a warm-up of so many epochs is done at the end of this one, from 0 to 1; 1 if there is none."""
        return min((self.epoch + 1) / warm_up, 1.0) if warm_up else 1.0


@dataclass(frozen=True)
class LossPart:
    """One named term of a training loss: a scalar tensor in nats and the weight it enters the sum with."""

    name: str
    weight: float
    value: Tensor


class Method(Plugin):
    """Base of all losses. The training loss is the sum of the weighted parts, by construction."""

    paper: ClassVar[str]  # authors, year, section
    formula: ClassVar[str]  # LaTeX, with the symbols of the options
    requires: ClassVar[str]  # what of the networks it looks at, as a noun
    defaults_source: ClassVar[str]  # where the default options come from, one sentence
    pitfall: ClassVar[str]  # the known mistake
    teacher_free_parts: ClassVar[tuple[str, ...]] = ("CE",)  # parts that no teacher is asked for
    discards_adapters: ClassVar[bool] = True  # what lies between the networks goes when the student goes

    def unsupported_reason(self, pair: Pair) -> str:  # noqa: ARG002
        """Why it does not apply to these networks and data, as the end of a sentence; empty if it does."""
        return ""

    def matches(self, pair: Pair) -> tuple[Match, ...]:  # noqa: ARG002
        """What is matched where."""
        return (Match(LOGITS, LOGITS),)

    def adapters(self, pair: Pair, labels: Tensor) -> nn.ModuleDict:  # noqa: ARG002
        """What is trained beside the student and left behind when it goes, built from the shapes of ``pair``.

        ``labels`` (N,) of the examples that the student is shown. The keys "student 0", "teacher 0" say which match and
        which side of it an adaptor belongs to; other keys belong to the method as a whole. Initialised from torch's
        global generator.
        """
        return nn.ModuleDict()

    @property
    def uses_teacher(self) -> bool:
        """Whether the loss depends on a teacher, as the options stand."""
        return True

    def connecting_layers(self, pair: Pair) -> nn.ModuleDict:
        """What lies between the matched places, to be shown before the run: the adaptors."""
        return self.adapters(pair, torch.empty(0, dtype=torch.long))

    def build(self, pair: Pair) -> nn.Module:
        """The student's network as it will be used, from torch's global generator: its own weights come first."""
        return pair.student.build(pair.shape, pair.classes)

    def feature_layers(self, pair: Pair) -> Mapping[str, str]:
        """Paths of the taps in what :meth:`build` gives."""
        return pair.student.feature_layers()

    def initialise_student(self, pair: Pair, network: nn.Module, teacher: nn.Module) -> None:
        """Takes over into the new student whatever of the trained teacher belongs there."""

    def to_latex(self) -> str:
        """The loss in LaTeX with the chosen numbers in place of the symbols."""
        raise NotImplementedError

    def parts(self, signals: LossInputs) -> list[LossPart]:
        """The loss of one batch, term by term."""
        raise NotImplementedError

    def closed_form(self, signals: LossInputs) -> tuple[list[LossPart], Tensor] | None:  # noqa: ARG002
        """The parts, and the gradient (B, K) of their weighted sum with respect to the student's logits, where a
        formula gives it; None where autograd has to. For losses of the logits alone, as a shorter way to the same."""
        return None


def latex_sum(*terms: tuple[float, str]) -> str:
    """A loss in LaTeX with its numbers, from (weight, term) pairs; what has no weight is left out."""
    counted = [rf"{weight:.5g} \cdot {term}" for weight, term in terms if weight]
    return r"\text{loss} = " + (" + ".join(counted) or "0")


def sum_tensors(terms: Sequence[Tensor]) -> Tensor:
    """Their sum, without a zero in front: it would change the bits of a single one."""
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
    """Cross-entropy with the labels as given, mean over the labelled examples of the batch, 0 if there is none.

    It is all that a network without a teacher minimises. A blend of two examples has both labels, each by its share
    (Zhang et al. 2018, "mixup", section 2).
    """
    if mixed is not None:
        one, other = (
            label_part(student_logits, of, weight, is_labelled, smoothing=smoothing).value
            for of in (labels, mixed.labels)
        )
        return LossPart("CE", weight, mixed.fraction * one + (1 - mixed.fraction) * other)
    if is_labelled is None and not smoothing:
        # The same operations as where the closed form is used directly: to the bit the same training.
        return LossPart("CE", weight, _LabelLoss.apply(student_logits.float(), labels)[0])
    if is_labelled is None:
        return LossPart("CE", weight, F.cross_entropy(student_logits.float(), labels, label_smoothing=smoothing))
    each = F.cross_entropy(student_logits.float(), labels, reduction="none", label_smoothing=smoothing)
    return LossPart("CE", weight, (each * is_labelled).sum() / is_labelled.sum().clamp(min=1))


def cross_entropy_with_gradient(student_logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Cross-entropy of logits (K, B) with labels (B,), and its gradient (K, B) in closed form: softmax minus the label.

    The classes come first: the softmax of a few of them is several times faster along the first dimension.
    """
    log_q = student_logits.log_softmax(0)
    loss = F.nll_loss(log_q.t(), labels)
    one = torch.full_like(labels, -1, dtype=log_q.dtype)
    return loss, log_q.exp_().scatter_add_(0, labels[None], one[None]).div_(len(labels))


class _LabelLoss(torch.autograd.Function):
    """:func:`cross_entropy_with_gradient` for autograd."""

    generate_vmap_rule = True

    @staticmethod
    def forward(student_logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        return cross_entropy_with_gradient(student_logits.t().contiguous(), labels)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, Tensor]) -> None:  # noqa: ARG004
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(output[1])

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, None]:
        (slope,) = ctx.saved_tensors
        return (slopes[0] * slope).t(), None


def total_loss(parts: list[LossPart]) -> Tensor:
    """The training loss. A part of weight 0 is left out, so that it cannot change a single bit (0 * inf is NaN)."""
    weighted = [part.value * part.weight for part in parts if part.weight]
    # With every weight at 0 nothing is learned, and nothing fails.
    return sum_tensors(weighted) if weighted else torch.zeros_like(parts[0].value, requires_grad=True)


def __getattr__(name: str) -> Any:
    return plugin_class("methods", name)


def __dir__() -> list[str]:
    return [*globals(), *class_names("methods")]
