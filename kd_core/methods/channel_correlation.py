"""Inter-channel correlation (ICKD) of the last feature maps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from kd_core.methods import FeatureMethod, Match, Pair, weight_option
from kd_core.nn.hooks import Shape


def channel_correlation(student_features: Tensor, teacher_features: Tensor) -> Tensor:
    r"""Return the squared difference of the normalised channel correlations over the channels, mean over the batch.

    .. math:: \frac{1}{BC} \sum_n \|G_s - G_t\|_F^2,\quad G = F F^\top \text{ with rows of length 1}

    Maps (B, C, H, W) with the same number of channels, those of the student after the adapter, flattened to F (C, H ·
    W) for each example; the sizes may differ. Unitless; no gradient reaches the teacher's. Liu et al., "Exploring
    Inter-Channel Correlation for Diversity-Preserved Knowledge Distillation" (2021), section 3.
    """
    student, teacher = _correlations(student_features), _correlations(teacher_features.detach())
    return (student - teacher).pow(2).sum() / (student.shape[0] * student.shape[1])


def _correlations(features: Tensor) -> Tensor:
    channels = features.flatten(2)
    return F.normalize(channels @ channels.transpose(1, 2), dim=2)


@dataclass(frozen=True)
class ChannelCorrelation(FeatureMethod):
    title: ClassVar[str] = "Correlation of channels (ICKD)"
    aliases: ClassVar[tuple[str, ...]] = ("ICKD",)
    summary: ClassVar[str] = (
        "Match which channels of the teacher’s last maps are active in the same places, and which complement each "
        "other."
    )
    family: ClassVar[str] = "feature"
    paper: ClassVar[str] = "Liu et al. 2021, section 3"
    formula: ClassVar[str] = (
        r"\lambda\,\mathrm{CE} + \tfrac{w}{BC} \textstyle\sum_n \lVert G_\text{student} - G_\text{teacher} \rVert_F^2,"
        r"\; G = F F^\top"
    )
    requires: ClassVar[str] = "one feature map of each network; an adapter makes the numbers of channels equal"
    defaults_source: ClassVar[str] = (
        "The authors' code for CIFAR-100: the last feature map, weight 2.5. A later run of the paper's ImageNet "
        "experiment by torchdistill gave 68.3 % instead of 72.2 %."
    )
    pitfall: ClassVar[str] = (
        "The authors' code for ImageNet also divides by the batch size: its weights do not carry over to this one."
    )
    part_name: ClassVar[str] = "channels"
    symbol: ClassVar[str] = r"\tfrac{1}{BC} \textstyle\sum_n \lVert G_\text{student} - G_\text{teacher} \rVert_F^2"

    weight: float = weight_option(2.5, "the correlations")

    def default_matches(self, pair: Pair) -> tuple[Match, ...]:
        return tuple(Match(*names) for names in pair.stage_pairs[-1:])

    def adapter(self, student: Shape, teacher: Shape) -> nn.Module:
        return nn.Sequential(nn.Conv2d(student[0], teacher[0], 1, bias=False), nn.BatchNorm2d(teacher[0]))

    def compare(self, student_features: Tensor, teacher_features: Tensor) -> Tensor:
        return channel_correlation(student_features, teacher_features)
