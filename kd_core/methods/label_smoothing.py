"""Label smoothing, a regularisation without a teacher."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn import functional as F

from kd_core.base.options import number
from kd_core.methods import LABELS, LOGITS, LossInputs, Match, Pair, WeightedMethod, label_weight_option, weight_option


def label_smoothing(student_logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    """Return the cross-entropy in nats of logits (B, K) with smoothed labels, mean over the batch.

    The target is 1 − ε + ε/K for the label and ε/K for the other classes.

    Szegedy et al., "Rethinking the Inception Architecture" (2016), section 7, in torch's convention: ε is spread over
    all K classes. Code that spreads it over the other K − 1 means ε K/(K − 1) here.
    """
    return F.cross_entropy(student_logits, labels, label_smoothing=smoothing)


@dataclass(frozen=True)
class LabelSmoothing(WeightedMethod):
    title: ClassVar[str] = "Label smoothing"
    summary: ClassVar[str] = "No teacher: spread a fraction of every label evenly over all classes."
    family: ClassVar[str] = "teacher-free"
    paper: ClassVar[str] = "Szegedy et al. 2016, section 7"
    formula: ClassVar[str] = (
        r"\lambda\,\mathrm{CE} + w\,\mathrm{CE}\big((1-\varepsilon)\,\text{label} + \varepsilon/K\big)"
    )
    requires: ClassVar[str] = "the labels alone"
    defaults_source: ClassVar[str] = "ε 0.1 alone, as in the paper (section 7)."
    pitfall: ClassVar[str] = (
        "A teacher trained with it teaches worse, since it does not learn to rank the wrong classes."
    )
    part_name: ClassVar[str] = "CE(smoothed)"
    teacher_free_parts: ClassVar[tuple[str, ...]] = ("CE", "CE(smoothed)")

    label_weight: float = label_weight_option(0.0)
    weight: float = weight_option(1.0, "the smoothed labels")
    smoothing: float = number(
        0.1, 0.0, 0.9, "Probability that is spread evenly over all classes.", step=0.01, label="Smoothing ε", live=True
    )  # fmt: skip

    def latex_term(self) -> str:
        return rf"\mathrm{{CE}}({1 - self.smoothing:.3g}\,\text{{label}} + {self.smoothing:g}/K)"

    def matches(self, pair: Pair) -> tuple[Match, ...]:  # noqa: ARG002
        return (Match(LOGITS, LABELS),)

    def distillation_loss(self, signals: LossInputs) -> Tensor:
        return label_smoothing(signals.student_logits, signals.labels, self.smoothing)
