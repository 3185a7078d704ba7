"""Localisation distillation (LD), a match of the distributions of box sides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from kd_core.base.options import choice, number
from kd_core.methods import TEMPERATURE_RANGE, LossInputs, Match, Pair, WeightedMethod, weight_option
from kd_core.methods.soft_targets import BATCH, ELEMENT, soft_targets
from kd_core.nn.hooks import BOXES
from kd_core.tasks._boxes import BINS, object_scores

STUDENT, TEACHER = "student", "teacher"


def localisation(
    student_bins: Tensor,
    teacher_bins: Tensor,
    temperature: float,
    weight: Tensor | None = None,
    *,
    mean: str = BATCH,
) -> Tensor:
    r"""Return T² · KL(teacher ‖ student) of the distributions of box sides, in nats.

    .. math:: \frac{T^2}{4} \sum_n w_n \sum_k p_{nk}\,(\log p_{nk} - \log q_{nk})

    Logits (N, bins), one row per side, of which a box has four; ``weight`` (N,) is that of its box. No gradient reaches
    the weight or the teacher's. Without weights it is the mean over the sides. The ``mean`` "element" also divides by
    the number of bins, as the authors' code does. Zheng et al., "Localization Distillation for Dense Object Detection"
    (2022), section 3.2.
    """
    if weight is None:
        return soft_targets(student_bins, teacher_bins, temperature, mean=mean)
    log_p, log_q = ((bins / temperature).log_softmax(1) for bins in (teacher_bins.detach(), student_bins))
    p, q = log_p.exp(), log_q.exp()
    # The second term is 0 in exact arithmetic, see soft_targets().
    divergence = (p * (log_p - log_q) + (q - p)).sum(1)
    bins = student_bins.shape[1] if mean == ELEMENT else 1
    return temperature**2 * (weight.detach() * divergence).sum() / (4 * bins)


@dataclass(frozen=True)
class Localisation(WeightedMethod):
    title: ClassVar[str] = "Localisation (LD)"
    aliases: ClassVar[tuple[str, ...]] = ("LD",)
    summary: ClassVar[str] = (
        "Match how sure the teacher is of where each side of a box lies, at a temperature of its own."
    )
    family: ClassVar[str] = "response"
    paper: ClassVar[str] = "Zheng et al. 2022, section 3"
    formula: ClassVar[str] = (
        r"\lambda\,\mathrm{CE} + \tfrac{w}{\sum_n c_n} \textstyle\sum_n c_n \tfrac{T^2}{4} \sum_{\text{sides}} "
        r"\mathrm{KL}_T(\text{teacher} \parallel \text{student})"
    )
    requires: ClassVar[str] = "boxes whose sides are distributions over bins"
    defaults_source: ClassVar[str] = (
        "T 10 and the student's own scores as weights: the authors' code, which also divides by the number of bins, "
        "with weight 0.25."
    )
    pitfall: ClassVar[str] = (
        "The authors' code averages over the bins, so that its loss is the KL divergence divided by their number."
    )
    part_name: ClassVar[str] = "T²·KL of box sides"
    symbol: ClassVar[str] = r"T^2\,\mathrm{KL}_\text{sides}"

    weight: float = weight_option(0.1, "the box sides")
    box_temperature: float = number(
        2.0, *TEMPERATURE_RANGE, "Temperature of the box sides, beside that of the classes.", step=0.1,
        label="Temperature of the boxes", ends=("sharper than trained", "almost uniform"), live=True, log=True,
    )  # fmt: skip
    scores: str = choice(
        STUDENT, (STUDENT, TEACHER), "Whose probability of an object weighs a cell.", label="Weights of the cells"
    )

    def matches(self, pair: Pair) -> tuple[Match, ...]:  # noqa: ARG002
        return (Match(BOXES, BOXES),)

    def unsupported_reason(self, pair: Pair) -> str:
        return pair.no_boxes_reason

    def distillation_loss(self, signals: LossInputs) -> Tensor:
        """Return the weighted mean over the cells of an image, each weighted by its score."""
        student, teacher = (
            features[BOXES].reshape(-1, BINS) for features in (signals.student_features, signals.teacher_features)
        )
        logits = signals.teacher_logits if self.scores == TEACHER else signals.student_logits
        scores = object_scores(logits).detach()
        weight = (scores / scores.sum().clamp(min=1e-6)).repeat_interleave(4)
        return localisation(student, teacher, self.box_temperature, weight)
