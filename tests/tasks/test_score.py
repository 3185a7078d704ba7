"""Tasks whose score is another number than the fraction of rows that are right, and losses beside those of the rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.metrics import balanced_accuracy_score
from torch import Tensor, nn

from kd_core.analysis.intervals import estimate_gain
from kd_core.analysis.verdict import verdict
from kd_core.base.events import Finished, Step, Validated
from kd_core.config.comparison import Comparison
from kd_core.config.run import from_flat
from kd_core.datasets import blobs, load
from kd_core.tasks import Task, score_title
from kd_core.tasks.classification import Classification
from kd_core.tasks.detection import Detection
from kd_core.tasks.multi_label import MultiLabel
from kd_core.tasks.regression import Regression
from kd_core.tasks.segmentation import Segmentation
from kd_core.training.evaluation import evaluate_on_test
from kd_core.training.loop import Trainer


@dataclass(frozen=True)
class Recall(Classification):
    """Classification by the mean recall, with a loss that keeps the logits small."""

    title: ClassVar[str] = "Recall"
    summary: ClassVar[str] = "For these tests."
    has_class_per_example: ClassVar[bool] = False
    counts_rows: ClassVar[bool] = False
    score_title: ClassVar[str] = "mean recall"

    def score(self, rows: Tensor, labels: Tensor) -> float:
        return float(balanced_accuracy_score(labels, rows.argmax(1)))

    def further_losses(self, outputs: Tensor, labels: Tensor) -> Mapping[str, Tensor]:  # noqa: ARG002
        return {"size": 0.01 * outputs.square().mean()}


def test_the_test_metrics_have_the_score_of_the_task_and_count_no_examples() -> None:
    data = replace(load(blobs.Blobs()), task=Recall())
    torch.manual_seed(0)
    network = nn.Linear(2, len(data.classes))
    metrics = evaluate_on_test({0: {"student": network}}, data, "none")[0]["student"]
    with torch.no_grad():
        predicted = network(data.test.inputs).argmax(1)
    assert metrics["accuracy"] == pytest.approx(balanced_accuracy_score(data.test.labels, predicted))
    assert metrics["examples"] == 0
    assert "correct" not in metrics


def test_chance_is_the_score_of_one_answer_for_every_example() -> None:
    labels = torch.tensor([0, 1, 1, 1, 0, 1])
    assert Classification().chance(labels) == pytest.approx(4 / 6)
    assert Segmentation().chance(labels) == pytest.approx((4 / 6 + 0) / 2)  # IoU of either class
    assert MultiLabel(classes=2).chance(labels) == pytest.approx((1 / 3 + 3 / 3) / 2)  # precision of a random order
    assert Regression().chance(labels[:, None].float()) == Detection().chance(labels) == 0


def test_every_network_learns_the_further_losses_and_is_evaluated_by_the_score(monkeypatch: pytest.MonkeyPatch) -> None:
    data, rows = replace(load(blobs.Blobs()), task=Recall()), []
    monkeypatch.setattr("kd_core.training.group.load", lambda _: data)
    monkeypatch.setattr(Recall, "score", lambda *_: rows.append(1) or 0.25)
    events = list(Trainer(from_flat({"dataset": "blobs", "epochs": "1", "teacher_epochs": "1"})))
    steps = [event for event in events if isinstance(event, Step)]
    assert {role for step in steps for role in step.parts} == {"teacher", "student", "baseline"}
    for step in steps:
        for role, parts in step.parts.items():
            assert parts["size"][0] == parts["size"][1] > 0
            assert step.loss[role] == pytest.approx(sum(weighted for _, weighted in parts.values()), rel=1e-5)
    assert {value for event in events if isinstance(event, Validated) for value in event.accuracy.values()} == {0.25}
    (finished,) = (event for event in events if isinstance(event, Finished))
    assert {test["accuracy"] for test in finished.test.values()} == {0.25}
    assert rows


def test_of_a_score_that_is_no_mean_over_examples_only_the_seeds_count() -> None:
    gains = np.array([0.02, 0.05, 0.03])
    tests = [
        {"student": {"accuracy": 0.6 + gain, "examples": 0.0}, "baseline": {"accuracy": 0.6, "examples": 0.0}}
        for gain in gains
    ]
    comparison = Comparison().scored_by("mean recall")
    low, high = estimate_gain(tests, comparison).interval() or (0.0, 0.0)
    half = stats.t.ppf(0.975, 2) * gains.std(ddof=1) / np.sqrt(3)
    assert (low, high) == pytest.approx((gains.mean() - half, gains.mean() + half))
    assert "mean recall" in verdict(tests, comparison).sentence
    assert "2.0 points" in verdict(tests[:1], comparison).sentence


def test_tasks_with_different_scores_share_only_the_word() -> None:
    same: list[Task] = [Recall(), Recall()]
    assert score_title(same) == "mean recall"
    assert score_title([Recall(), Classification()]) == "score"
