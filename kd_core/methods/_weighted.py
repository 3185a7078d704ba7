"""Base class of losses with labels, soft targets and one term of their own, and the options that they share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from kd_core.base.options import number
from kd_core.methods._base import LossInputs, LossPart, LossWeights, Method, latex_sum
from kd_core.methods.soft_targets import soft_targets

TEMPERATURE_RANGE = (0.5, 20.0)


def label_weight_option(default: float) -> Any:
    """Declare the option ``label_weight``."""
    return number(
        default, 0.0, 100.0, "Weight of the cross-entropy with the labels.", step=0.1, label="Weight of the labels",
        live=True,
    )  # fmt: skip


def soft_weight_option(default: float) -> Any:
    """Declare the option ``soft_weight``."""
    return number(
        default, 0.0, 100.0, "Weight of additional soft targets, with T²; 0 leaves them out.", step=0.1,
        label="Weight of soft targets", live=True,
    )  # fmt: skip


def temperature_option(default: float, help: str = "Temperature of the soft targets alone.") -> Any:
    """Declare the option ``temperature``."""
    return number(
        default, *TEMPERATURE_RANGE, help, step=0.1, label="Temperature T",
        ends=("sharper than trained", "almost uniform"), live=True, log=True,
    )  # fmt: skip


def weight_option(default: float, what: str, high: float = 1000.0) -> Any:
    """Declare the option ``weight`` of the method's own term; ``what`` names the term."""
    return number(
        default, 0.0, high, f"Weight of {what}.", step=max(0.1, default / 20), label=f"Weight of {what}", live=True
    )  # fmt: skip


@dataclass(frozen=True)
class WeightedMethod(Method):
    """loss = label_weight · CE + soft_weight · T² KL + weight · the method's own term."""

    part_name: ClassVar[str] = ""  # name of the own term among the parts; the key of the method if empty
    symbol: ClassVar[str] = ""  # the own term in LaTeX; its name if empty

    label_weight: float = label_weight_option(1.0)
    soft_weight: float = soft_weight_option(0.0)
    temperature: float = temperature_option(4.0)
    weight: float = weight_option(1.0, "the term")

    @property
    def uses_teacher(self) -> bool:
        return bool(self.soft_weight or (self.weight and self.part_name not in self.teacher_free_parts))

    @property
    def weights(self) -> LossWeights:
        return LossWeights(self.label_weight, self.soft_weight, self.weight)

    def distillation_loss(self, signals: LossInputs) -> Tensor:
        """Return the method's own term, unweighted."""
        raise NotImplementedError(f"{type(self).__name__} defines neither distillation_loss() nor parts()")

    def parts(self, signals: LossInputs) -> list[LossPart]:
        return [
            *self.common_parts(signals),
            LossPart(self.part_name or self.name, self.weight, self.distillation_loss(signals)),
        ]

    def common_parts(self, signals: LossInputs) -> list[LossPart]:
        """Return the parts of the labels and, unless their weight is 0, of the soft targets."""
        parts = [signals.label_part(self.label_weight)]
        if self.soft_weight:
            soft = soft_targets(signals.student_logits, signals.teacher_logits, self.temperature)
            parts.append(LossPart("T²·KL", self.soft_weight, soft))
        return parts

    def latex_term(self) -> str:
        """Return the own term in LaTeX with the current numbers, unweighted."""
        return self.symbol or rf"\text{{{self.part_name or self.name}}}"

    def to_latex(self) -> str:
        soft = rf"{self.temperature:g}^2 \cdot \mathrm{{KL}}_{{T={self.temperature:g}}}"
        return latex_sum(
            (self.label_weight, r"\mathrm{CE}"), (self.soft_weight, soft), (self.weight, self.latex_term())
        )
