"""The frame of most methods: labels, soft targets and the method's own term, each with a weight of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from kd_core.base.options import number
from kd_core.methods import LossInputs, LossPart, Method, latex_sum
from kd_core.methods.soft_targets import soft_targets


def label_weight_option(default: float) -> Any:
    """The option ``label_weight``."""
    return number(
        default, 0.0, 100.0, "Weight of the cross-entropy with the labels.", step=0.1, label="Weight of the labels",
        live=True,
    )  # fmt: skip


def soft_weight_option(default: float) -> Any:
    """The option ``soft_weight``."""
    return number(
        default, 0.0, 100.0, "Weight of the soft targets beside it, with T²; 0 leaves them out.", step=0.1,
        label="Weight of soft targets", live=True,
    )  # fmt: skip


def temperature_option(default: float, help: str = "Softens the soft targets; nothing else depends on it.") -> Any:
    """The option ``temperature``."""
    return number(
        default, 0.5, 20.0, help, step=0.1, label="Temperature T", ends=("sharper than trained", "almost uniform"),
        live=True, log=True,
    )  # fmt: skip


def weight_option(default: float, what: str, high: float = 1000.0) -> Any:
    """The option ``weight``, of the method's own term."""
    return number(
        default, 0.0, high, f"Weight of {what}.", step=max(0.1, default / 20), label=f"Weight of {what}", live=True
    )  # fmt: skip


@dataclass(frozen=True)
class WeightedMethod(Method):
    """loss = label_weight · CE + soft_weight · T² KL + weight · the method's own term."""

    part_name: ClassVar[str] = ""  # name of the own term among the parts
    symbol: ClassVar[str] = ""  # the own term in LaTeX

    label_weight: float = label_weight_option(1.0)
    soft_weight: float = soft_weight_option(0.0)
    temperature: float = temperature_option(4.0)
    weight: float = weight_option(1.0, "what is matched")

    @property
    def uses_teacher(self) -> bool:
        return bool(self.soft_weight or (self.weight and self.part_name not in self.teacher_free_parts))

    def distillation_loss(self, signals: LossInputs) -> Tensor:
        """The own term, unweighted."""
        raise NotImplementedError

    def parts(self, signals: LossInputs) -> list[LossPart]:
        return [*self.common_parts(signals), LossPart(self.part_name, self.weight, self.distillation_loss(signals))]

    def common_parts(self, signals: LossInputs) -> list[LossPart]:
        """Labels, and soft targets where they count."""
        parts = [signals.label_part(self.label_weight)]
        if self.soft_weight:
            soft = soft_targets(signals.student_logits, signals.teacher_logits, self.temperature)
            parts.append(LossPart("T²·KL", self.soft_weight, soft))
        return parts

    def latex_term(self) -> str:
        """The own term in LaTeX with the chosen numbers, unweighted."""
        return self.symbol

    def to_latex(self) -> str:
        return latex_sum(*self.common_terms(), (self.weight, self.latex_term()))

    def common_terms(self) -> list[tuple[float, str]]:
        """As :meth:`common_parts`, in LaTeX."""
        return [
            (self.label_weight, r"\mathrm{CE}"),
            (self.soft_weight, rf"{self.temperature:g}^2 \cdot \mathrm{{KL}}_{{T={self.temperature:g}}}"),
        ]
