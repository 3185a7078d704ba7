"""Multi-level logit distillation (MLKD) of examples, of classes and of the batch at several temperatures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from kd_core.base.options import integer, number
from kd_core.methods import LossInputs, LossPart, WeightedMethod, label_weight_option, sum_tensors, weight_option
from kd_core.methods.soft_targets import soft_targets

TEMPERATURES = (1, 20)
MAX_COMPARED = 4096  # rows whose inner products with each other are computed one by one


def instances(student_logits: Tensor, teacher_logits: Tensor, temperatures: Sequence[float]) -> Tensor:
    """Return the soft targets of logits (B, K), T² · KL in nats, mean over the batch, sum over the temperatures.

    No gradient reaches the teacher's. Jin et al., "Multi-Level Logit Distillation" (2023), instance level.
    """
    return sum_tensors([soft_targets(student_logits, teacher_logits, temperature) for temperature in temperatures])


def class_correlation(student_logits: Tensor, teacher_logits: Tensor, temperatures: Sequence[float]) -> Tensor:
    r"""Return the squared distance of the class correlations over K, sum over the temperatures, unitless.

    .. math:: \|P_t^\top P_t - P_s^\top P_s\|_F^2 / K

    P (B, K) are the softened probabilities of logits (B, K), so that the value grows with B². No gradient reaches the
    teacher's. Ibid., class level.
    """
    return _correlation(student_logits, teacher_logits, temperatures, 1)


def batch_correlation(student_logits: Tensor, teacher_logits: Tensor, temperatures: Sequence[float]) -> Tensor:
    r"""Return the squared distance of the correlations of examples over B, sum over the temperatures, unitless.

    .. math:: \|P_t P_t^\top - P_s P_s^\top\|_F^2 / B

    As :func:`class_correlation`; ibid., batch level.
    """
    return _correlation(student_logits, teacher_logits, temperatures, 0)


def _correlation(student_logits: Tensor, teacher_logits: Tensor, temperatures: Sequence[float], dim: int) -> Tensor:
    """Return the squared distance of the inner products along a dimension over its size, summed.

    Of many rows, such as the pixels of images, it is computed by the products along the other dimension, since the norm
    of P Pᵀ − Q Qᵀ follows from those of Pᵀ P, Pᵀ Q and Qᵀ Q.
    """
    distances = []
    for temperature in temperatures:
        q, p = (
            (logits / temperature).softmax(1).transpose(0, dim) for logits in (student_logits, teacher_logits.detach())
        )
        if len(q) > MAX_COMPARED:
            p, q = p.double(), q.double()  # the terms nearly cancel where the networks agree
            terms = ((1, p, p), (-2, p, q), (1, q, q))
            squared = sum_tensors([factor * (one.T @ other).pow(2).sum() for factor, one, other in terms])
            distances.append((squared / len(q)).to(student_logits.dtype))
        else:
            distances.append((p @ p.T - q @ q.T).pow(2).sum() / len(q))
    return sum_tensors(distances)


@dataclass(frozen=True)
class Mlkd(WeightedMethod):
    title: ClassVar[str] = "Multi-level logits (MLKD)"
    aliases: ClassVar[tuple[str, ...]] = ("MLKD",)
    summary: ClassVar[str] = (
        "Soft targets at several temperatures at once, and the correlations between classes and between examples of "
        "the batch."
    )
    family: ClassVar[str] = "response"
    paper: ClassVar[str] = "Jin et al. 2023, section 3"
    formula: ClassVar[str] = (
        r"\lambda\,\mathrm{CE} + w \textstyle\sum_T \big(T^2\,\mathrm{KL}"
        r" + \tfrac{a}{K} \lVert P_t^\top P_t - P_s^\top P_s \rVert^2"
        r" + \tfrac{b}{B} \lVert P_t P_t^\top - P_s P_s^\top \rVert^2\big)"
    )
    requires: ClassVar[str] = "logits of both, a whole batch at once"
    defaults_source: ClassVar[str] = (
        "The authors' code: T 2 to 6, weights 0.9, labels 0.1. It adds a second, strongly augmented view and "
        "masks for confident examples and classes; here there is one view of all."
    )
    pitfall: ClassVar[str] = (
        "In the authors' code the masks multiply a loss that is averaged already: they halve it and choose nothing."
    )

    label_weight: float = label_weight_option(0.1)
    weight: float = weight_option(0.9, "all three levels")
    lowest: int = integer(2, *TEMPERATURES, "Lowest of the temperatures, which are whole numbers.", label="Lowest T")
    highest: int = integer(
        6, *TEMPERATURES, "Highest of the temperatures; the lowest alone if smaller.", label="Highest T"
    )
    classes: float = number(
        1.0, 0.0, 100.0, "Weight a of the class correlations.", step=0.1, label="Weight of classes", live=True
    )  # fmt: skip
    examples: float = number(
        1.0, 0.0, 100.0, "Weight b of the correlations of examples.", step=0.1, label="Weight of examples", live=True
    )  # fmt: skip

    @property
    def temperatures(self) -> tuple[int, ...]:
        """The temperatures over which every part is summed."""
        return tuple(range(self.lowest, max(self.lowest, self.highest) + 1))

    def latex_term(self) -> str:
        first, *_, last = (self.lowest, *self.temperatures)
        inner = rf"T^2\,\mathrm{{KL}}_T + {self.classes:g}\,\mathrm{{CC}}_T + {self.examples:g}\,\mathrm{{BC}}_T"
        return rf"\textstyle\sum_{{T={first}}}^{{{last}}} \big({inner}\big)"

    def parts(self, signals: LossInputs) -> list[LossPart]:
        arguments = (signals.student_logits, signals.teacher_logits, self.temperatures)
        return [
            *self.common_parts(signals),
            LossPart("T²·KL, every T", self.weight, instances(*arguments)),
            LossPart("classes", self.weight * self.classes, class_correlation(*arguments)),
            LossPart("examples", self.weight * self.examples, batch_correlation(*arguments)),
        ]
