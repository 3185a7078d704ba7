"""A virtual teacher: no network, but a distribution made up from the label, used as if a teacher had given it."""

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
    r"""KL divergence of a made-up teacher from the student, in nats, mean over the batch (B) and the classes (K).

    The made-up teacher gives ``correct_probability`` to the label and the rest evenly to the other classes; these
    probabilities are then softened like logits, softmax(u / T). In the authors' ``repository`` the student is not
    softened; in the ``paper`` (equation 9) it is. Logits (B, K), labels (B,). Yuan et al., "Revisiting Knowledge
    Distillation via Label Smoothing Regularization" (2020), section 4.
    """
    classes = student_logits.shape[1]
    made_up = torch.full_like(student_logits, (1 - correct_probability) / (classes - 1))
    made_up = made_up.scatter(1, labels[:, None], correct_probability)
    log_p = F.log_softmax(made_up / temperature, dim=1)
    log_q = F.log_softmax(student_logits / (temperature if convention == PAPER else 1.0), dim=1)
    return F.kl_div(log_q, log_p, reduction="sum", log_target=True) / student_logits.numel()


@dataclass(frozen=True)
class VirtualTeacher(WeightedMethod):
    title: ClassVar[str] = "Virtual teacher (Tf-KD)"
    aliases: ClassVar[tuple[str, ...]] = ("Tf-KD",)
    summary: ClassVar[str] = "No teacher: make up a sure one from the label, soften it, and learn from that."
    family: ClassVar[str] = "teacher-free"
    paper: ClassVar[str] = "Yuan et al. 2020, section 4"
    formula: ClassVar[str] = (
        r"\lambda\,\mathrm{CE} + \tfrac{w}{K}\,\mathrm{KL}(\mathrm{softmax}(u/T) \parallel \text{student})"
    )
    requires: ClassVar[str] = "labels alone"
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
        20.0, 0.5, 100.0, "Softens the made-up probabilities, and soft targets beside them.", step=0.5,
        label="Temperature T", live=True, log=True,
    )  # fmt: skip
    weight: float = weight_option(10.0, "the virtual teacher")
    correct_probability: float = number(0.99, 0.5, 1.0, "Probability of the label before softening.", step=0.01)
    convention: str = choice(
        REPOSITORY, (REPOSITORY, PAPER), "The authors' code leaves the student as it is; their paper softens it, too."
    )

    def latex_term(self) -> str:
        softened = rf"_{{T={self.temperature:g}}}" if self.convention == PAPER else ""
        made_up = rf"\mathrm{{softmax}}(u/{self.temperature:g})"
        return rf"\tfrac{{1}}{{K}}\,\mathrm{{KL}}({made_up} \parallel \text{{student}}{softened})"

    def matches(self, pair: Pair) -> tuple[Match, ...]:  # noqa: ARG002
        return (Match(LOGITS, LABELS),)

    def distillation_loss(self, signals: LossInputs) -> Tensor:
        return virtual_teacher(
            signals.student_logits, signals.labels, self.correct_probability, self.temperature, self.convention
        )
