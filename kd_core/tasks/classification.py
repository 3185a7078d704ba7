"""Classification, one label and one row of logits for every example."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from kd_core.tasks import SplitData, Task


@dataclass(frozen=True)
class Classification(Task):
    title: ClassVar[str] = "Classification"
    summary: ClassVar[str] = "Every example belongs to one class."
    has_class_per_example: ClassVar[bool] = True
    script: ClassVar[str] = "predict.py"

    def label_text(self, label: Tensor, data: SplitData) -> str:
        return data.classes[int(label)] if label >= 0 else ""

    def rows(self, outputs: Tensor) -> Tensor:
        return outputs

    def row_labels(self, labels: Tensor) -> Tensor:
        return labels
