"""Counts of hashed n-grams against counts of n-grams, and what their network learns."""

from collections import Counter

import pytest
import torch

from kd_core.base.events import Finished
from kd_core.config.run import from_flat
from kd_core.datasets import load
from kd_core.datasets.python_lines import PACKAGES, PythonLines
from kd_core.files.text import to_code_points
from kd_core.models.ngram_mlp import HashedNgrams, NgramMlp
from kd_core.training.loop import Trainer

LINES = ["def f(x):", "return x + x", "a", "数据 数据"]


@pytest.mark.parametrize("n", [2, 3, 5])
def test_counts_are_those_of_the_n_grams_between_two_marks(n: int) -> None:
    counts = HashedNgrams(n, 65_536)(to_code_points(LINES).float())
    for line, row in zip(LINES, counts, strict=True):
        marked = f"^{line}$"
        expected = Counter(marked[start : start + n] for start in range(max(0, len(marked) - n + 1)))
        norm = sum(count**2 for count in expected.values()) ** 0.5
        values = sorted(count / norm for count in expected.values())
        assert row[row > 0].sort().values.tolist() == pytest.approx(values)


def test_a_text_has_the_same_counts_among_longer_texts_and_alone() -> None:
    layer = HashedNgrams(3, 64)
    alone = layer(to_code_points(["import os"]).float())
    among = layer(to_code_points(["import os", "from pathlib import Path"]).float())[:1]
    assert torch.equal(alone, among)
    assert alone.norm().item() == pytest.approx(1)


def test_equal_texts_of_different_order_differ() -> None:
    first, second = HashedNgrams(2, 4096)(to_code_points(["ab", "ba"]).float())
    assert not torch.equal(first, second)


def test_the_lines_are_of_ten_packages_and_none_is_in_two_of_them() -> None:
    data = load(PythonLines())
    assert data.classes == PACKAGES
    texts = [data.task.text_of(split.inputs, data) for split in data.splits.values()]
    every = [text for of_split in texts for text in of_split]
    assert len(set(every)) == len(every)
    assert all(20 <= len(text) <= 80 and text == text.strip() for text in every)
    is_sqlite = data.train.labels == PACKAGES.index("sqlite3")
    assert any("cursor" in text.lower() for text in data.task.text_of(data.train.inputs[is_sqlite], data))


@pytest.mark.slow
def test_a_student_of_texts_learns_from_labels_and_a_teacher() -> None:
    config = from_flat({"dataset": "python_lines", "epochs": "40", "teacher_epochs": "2", "teacher_buckets": "1024"})
    assert isinstance(config.student, NgramMlp)
    finished = list(Trainer(config))[-1]
    assert isinstance(finished, Finished)
    assert finished.outcome == "completed"
    assert finished.test_accuracy["teacher"] > 0.5
    assert finished.test_accuracy["student"] > 0.2  # twice what guessing gives
