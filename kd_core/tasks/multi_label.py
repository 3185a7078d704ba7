"""Multi-label classification, a yes or no to every class of an example."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from kd_core.base.options import integer
from kd_core.tasks import Measure, Outputs, SplitData, Task

NO, YES = "no", "yes"


@dataclass(frozen=True)
class MultiLabel(Task):
    """Any number of ``classes`` per example.

    Labels (B, K) are 1 or 0, and -1 where unknown. A row is an example with one of the classes, and its logits are
    (0, z): softmax((0, z) / T) is sigmoid(z / T), so that each loss on rows is its own form for yes and no.
    """

    title: ClassVar[str] = "Multi-label classification"
    summary: ClassVar[str] = "Every example belongs to any number of classes."
    row_noun: ClassVar[str] = "answers"
    script: ClassVar[str] = "predict.py"
    score_title: ClassVar[str] = "mean average precision"
    counts_rows: ClassVar[bool] = False
    measures: ClassVar[tuple[Measure, ...]] = (
        Measure(
            "label_accuracy", "Right answers", "%", meaning="Answers of yes or no that are right, over all classes."
        ),
        Measure("f1", "F1", "%", meaning="Balance of classes that are missed and classes that are wrongly named."),
        Measure("exact_match", "Whole examples right", "%", meaning="Examples with no wrong answer at all."),
    )

    classes: int = integer(2, 1, 100_000, "Classes of an example.")

    def row_classes(self, classes: Sequence[str]) -> tuple[str, ...]:  # noqa: ARG002
        return (NO, YES)

    def rows(self, outputs: Tensor) -> Tensor:
        yes = outputs.reshape(-1, 1)
        return torch.cat([torch.zeros_like(yes), yes], 1)

    def label_text(self, label: Tensor, data: SplitData) -> str:
        return ", ".join(name for name, one in zip(data.classes, label.tolist(), strict=True) if one == 1)

    def row_inputs(self, inputs: Tensor, rows: Tensor) -> Tensor:
        return inputs[rows // self.classes]

    def followed(self, rows: Tensor) -> Tensor:
        """Return the logits of yes (N, K) of examples."""
        return (rows[:, 1] - rows[:, 0]).reshape(-1, self.classes)

    def choose_followed(self, teacher_rows: Tensor | None, labels: Tensor, most: int) -> dict[int, int]:
        """Return for each of the first classes the example of which the teacher is least sure, among right answers."""
        has_class = (labels == 1).reshape(-1, self.classes)
        logits = torch.zeros(has_class.shape) if teacher_rows is None else self.followed(teacher_rows)
        chosen: dict[int, int] = {}
        for label in range(min(self.classes, most)):
            members = [row for row in has_class[:, label].nonzero().flatten().tolist() if row not in chosen]
            right = [row for row in members if logits[row, label] > 0] or members[:1]
            chosen |= dict.fromkeys(sorted(right, key=lambda row: float(logits[row, label]))[:1], label)
        return chosen

    def score(self, rows: Tensor, labels: Tensor) -> float:
        """Return the mean over the classes of the average precision, of those that some examples have."""
        return mean_average_precision(self.followed(rows), labels.reshape(-1, self.classes))

    def test_metrics(
        self,
        network: nn.Module,
        teacher: nn.Module | None,  # noqa: ARG002
        data: SplitData,
        outputs: Outputs,
    ) -> Mapping[str, Any]:
        labels, answers = data.test.labels == 1, outputs(network) > 0
        is_right = answers == labels
        both, either = int((answers & labels).sum()), int(answers.sum()) + int(labels.sum())
        return {
            "label_accuracy": is_right.double().mean().item(),
            "f1": 2 * both / either if either else 1.0,
            "exact_match": is_right.all(1).double().mean().item(),
        }


def mean_average_precision(logits: Tensor, labels: Tensor) -> float:
    r"""Return the mean over classes of the average precision of logits (N, K) for labels (N, K), a fraction.

    .. math:: \mathrm{AP} = \sum_n (R_n - R_{n-1})\, P_n

    over the different logits of a class from the highest on, as in scikit-learn; examples with the same logit count at
    once. Classes that no example has are left out; 0 without any.
    """
    precisions = []
    for of_class, positive in zip(logits.double().t(), (labels == 1).t(), strict=True):
        count = int(positive.sum())
        if not count:
            continue
        order = of_class.argsort(descending=True, stable=True)
        hits = positive[order].double().cumsum(0)
        ends = (of_class[order].diff() != 0).nonzero().flatten()
        ends = torch.cat([ends, torch.tensor([len(order) - 1])])  # of the examples with the same logit
        recall, precision = hits[ends] / count, hits[ends] / (ends + 1)
        precisions.append((recall.diff(prepend=torch.zeros(1, dtype=torch.float64)) * precision).sum().item())
    return sum(precisions) / len(precisions) if precisions else 0.0
