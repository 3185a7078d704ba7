"""Training labels of the students."""

import pytest
import torch

from kd_core.config.label_subset import FULL, LabelSubset
from kd_core.config.run import from_flat
from kd_core.datasets import Data, load


@pytest.fixture
def data() -> Data:
    return load(from_flat({}).dataset)


def test_the_default_is_the_clean_training_split(data: Data) -> None:
    split = FULL.apply(data, seed=3)
    assert len(split) == 1000
    assert split.labels.bincount().equal(data.train.labels.bincount())


def test_the_choice_of_examples_depends_on_the_seed(data: Data) -> None:
    subset = LabelSubset(labelled=50, wrong=0.2)
    first, same, other = (subset.apply(data, seed) for seed in (1, 1, 2))
    assert torch.equal(first.inputs, same.inputs)
    assert torch.equal(first.labels, same.labels)
    assert not torch.equal(first.inputs, other.inputs)


def test_label_noise_is_exactly_the_chosen_fraction(data: Data) -> None:
    clean, noisy = LabelSubset(labelled=200).apply(data, 5), LabelSubset(labelled=200, wrong=0.3).apply(data, 5)
    assert torch.equal(clean.inputs, noisy.inputs)
    assert int((clean.labels != noisy.labels).sum()) == 60


def test_a_smaller_subset_is_the_start_of_a_larger_one(data: Data) -> None:
    few, more = LabelSubset(labelled=20).apply(data, 5), LabelSubset(labelled=80).apply(data, 5)
    assert torch.equal(few.inputs, more.inputs[:20])


def test_a_held_out_class_has_no_examples(data: Data) -> None:
    split = LabelSubset(omitted="3").apply(data, 0)
    assert 3 not in split.labels
    assert len(split) == LabelSubset(omitted="3").count(data) == 1000 - int((data.train.labels == 3).sum())
