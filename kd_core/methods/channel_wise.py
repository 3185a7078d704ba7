"""Channel-wise distillation (CWD) of where each channel of a map is active."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from kd_core.base.options import number
from kd_core.methods import FeatureMethod, Match, Pair, weight_option
from kd_core.nn.hooks import Shape
from kd_core.tasks.segmentation import LOGITS_MAP


def channel_wise(student_features: Tensor, teacher_features: Tensor, temperature: float = 1.0) -> Tensor:
    r"""Return τ² · KL(teacher ‖ student) of each channel's distribution over the pixels, in nats, mean over channels.

    .. math:: \frac{\tau^2}{BC} \sum_{n,c} \sum_i p_{nci}\,(\log p_{nci} - \log q_{nci}),\quad
        p_{nc} = \mathrm{softmax}_i(F^\text{teacher}_{nci} / \tau)

    Maps (B, C, H, W) with the same number of channels; those of the student are interpolated bilinearly to the
    teacher's size. No gradient reaches the teacher's. Shu et al., "Channel-Wise Knowledge Distillation for Dense
    Prediction" (2021), equation 3, as in the code of mmrazor.
    """
    if student_features.shape[2:] != teacher_features.shape[2:]:
        student_features = F.interpolate(student_features, teacher_features.shape[2:], mode="bilinear")
    log_p = (teacher_features.detach().flatten(2) / temperature).log_softmax(2)
    log_q = (student_features.flatten(2) / temperature).log_softmax(2)
    p, q = log_p.exp(), log_q.exp()
    # Both sum to 1, so that the second term is 0; it cancels the rounding of the logarithms.
    divergence = p * (log_p - log_q) + (q - p)
    return divergence.sum() * temperature**2 / (len(log_p) * log_p.shape[1])


@dataclass(frozen=True)
class ChannelWise(FeatureMethod):
    title: ClassVar[str] = "Channels over the pixels (CWD)"
    aliases: ClassVar[tuple[str, ...]] = ("CWD",)
    summary: ClassVar[str] = "Match where in the image each channel of the teacher is active, one channel at a time."
    family: ClassVar[str] = "feature"
    paper: ClassVar[str] = "Shu et al. 2021, section 3.2"
    formula: ClassVar[str] = (
        r"\lambda\,\mathrm{CE} + w\,\tfrac{\tau^2}{BC} \textstyle\sum_{n,c} \mathrm{KL}(p^\text{teacher}_{nc} "
        r"\parallel p^\text{student}_{nc}),\; p_{nc} = \mathrm{softmax}_\text{pixels}(F_{nc}/\tau)"
    )
    requires: ClassVar[str] = "one feature map of each network; an adapter makes the numbers of channels equal"
    defaults_source: ClassVar[str] = (
        "The maps of logits, τ 1 and weight 5: mmrazor's configuration for segmentation. Without maps of logits "
        "the last features."
    )
    pitfall: ClassVar[str] = (
        "The softmax runs over the pixels of a channel, not over the classes of a pixel: how strong a channel is "
        "altogether is not matched."
    )
    part_name: ClassVar[str] = "channels over pixels"
    symbol: ClassVar[str] = (
        r"\tfrac{\tau^2}{BC} \textstyle\sum_{n,c} \mathrm{KL}(p^\text{teacher}_{nc} \parallel p^\text{student}_{nc})"
    )

    weight: float = weight_option(5.0, "the channels")
    tau: float = number(
        1.0, 0.1, 20.0, "Divides the maps before softmax over the pixels; a higher one shows more than the peaks.",
        step=0.1, label="Temperature τ of the pixels", live=True, log=True,
    )  # fmt: skip

    def default_matches(self, pair: Pair) -> tuple[Match, ...]:
        """Return the maps of logits of both networks, or else their last feature maps."""
        if LOGITS_MAP in pair.student_shapes and LOGITS_MAP in pair.teacher_shapes:
            return (Match(LOGITS_MAP, LOGITS_MAP),)
        return tuple(Match(*names) for names in pair.stage_pairs[-1:])

    def adapter(self, student: Shape, teacher: Shape) -> nn.Module | None:
        return None if student[0] == teacher[0] else nn.Conv2d(student[0], teacher[0], 1)

    def compare(self, student_features: Tensor, teacher_features: Tensor) -> Tensor:
        return channel_wise(student_features, teacher_features, self.tau)
