"""Virtual teacher (Tf-KD), a fixed distribution made from the label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from kd_core.base.options import choice, number
from kd_core.methods import LABELS, LOGITS, LossInputs, Match, Pair, WeightedMethod, label_weight_option, weight_option

REPOSITORY, PAPER = "repository", "paper"


def virtual_teacher(
    student_logits: Tensor,
    labels: Tensor,
    correct_probability: float,
    temperature: float,
    convention: str = REPOSITORY,
) -> Tensor:
    r"""Return the KL divergence of a virtual teacher from the student in nats, mean over batch (B) and classes (K).

    The virtual teacher gives ``correct_probability`` to the label and the rest evenly to the other classes; these
    probabilities are then softened like logits, softmax(u / T). In the authors' ``repository`` the student is not
    softened; in the ``paper`` (equation 9) it is. Logits (B, K), labels (B,). Yuan et al., "Revisiting Knowledge
    Distillation via Label Smoothing Regularization" (2020), section 4.
    """
    classes = student_logits.shape[1]
    virtual = torch.full_like(student_logits, (1 - correct_probability) / (classes - 1))
    virtual = virtual.scatter(1, labels[:, None], correct_probability)
    log_p = F.log_softmax(virtual / temperature, dim=1)
    log_q = F.log_softmax(student_logits / (temperature if convention == PAPER else 1.0), dim=1)
    return F.kl_div(log_q, log_p, reduction="sum", log_target=True) / student_logits.numel()


@dataclass(frozen=True)
class VirtualTeacher(WeightedMethod):
    title: ClassVar[str] = "Virtual teacher (Tf-KD)"
    aliases: ClassVar[tuple[str, ...]] = ("Tf-KD",)
    summary: ClassVar[str] = "No teacher: soften a confident distribution made from the label, and match that."
    family: ClassVar[str] = "teacher-free"
    paper: ClassVar[str] = "Yuan et al. 2020, section 4"
    formula: ClassVar[str] = (
        r"\lambda\,\mathrm{CE} + \tfrac{w}{K}\,\mathrm{KL}(\mathrm{softmax}(u/T) \parallel \text{student})"
    )
    requires: ClassVar[str] = "the labels alone"
    defaults_source: ClassVar[str] = (
        "The authors' code for ResNet-18: T 20, labels 1 − α = 0.9, weight α · m = 0.1 · 100."
    )
    pitfall: ClassVar[str] = (
        "Probabilities softened like logits are almost uniform at T = 20: it is label smoothing, with w as its "
        "strength."
    )
    part_name: ClassVar[str] = "KL(virtual)"
    teacher_free_parts: ClassVar[tuple[str, ...]] = ("CE", "KL(virtual)")

    label_weight: float = label_weight_option(0.9)
    temperature: float = number(
        20.0, 0.5, 100.0, "Softens the virtual teacher's probabilities, and additional soft targets.", step=0.5,
        label="Temperature T", live=True, log=True,
    )  # fmt: skip
    weight: float = weight_option(10.0, "the virtual teacher")
    correct_probability: float = number(0.99, 0.5, 1.0, "Probability of the label before softening.", step=0.01)
    convention: str = choice(
        REPOSITORY, (REPOSITORY, PAPER), "The authors' code does not soften the student; their paper does."
    )

    def latex_term(self) -> str:
        softened = rf"_{{T={self.temperature:g}}}" if self.convention == PAPER else ""
        virtual = rf"\mathrm{{softmax}}(u/{self.temperature:g})"
        return rf"\tfrac{{1}}{{K}}\,\mathrm{{KL}}({virtual} \parallel \text{{student}}{softened})"

    def matches(self, pair: Pair) -> tuple[Match, ...]:  # noqa: ARG002
        return (Match(LOGITS, LABELS),)

    def distillation_loss(self, signals: LossInputs) -> Tensor:
        return virtual_teacher(
            signals.student_logits, signals.labels, self.correct_probability, self.temperature, self.convention
        )
