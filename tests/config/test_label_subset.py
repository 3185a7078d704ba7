import pytest
import torch

from kd_core.config.label_subset import FULL, LabelSubset
from kd_core.config.run import from_flat
from kd_core.datasets import Data, load


@pytest.fixture
def data() -> Data:
    return load(from_flat({}).dataset)


def test_the_full_view_is_the_clean_training_split(data: Data) -> None:
    shown = FULL.apply(data, seed=3)
    assert len(shown) == 1000
    assert shown.labels.bincount().equal(data.train.labels.bincount())


def test_the_same_seed_shows_the_same_examples_and_another_seed_others(data: Data) -> None:
    view = LabelSubset(labelled=50, wrong=0.2)
    first, same, other = (view.apply(data, seed) for seed in (1, 1, 2))
    assert torch.equal(first.inputs, same.inputs)
    assert torch.equal(first.labels, same.labels)
    assert not torch.equal(first.inputs, other.inputs)


def test_wrong_labels_are_exactly_the_share_that_was_asked_for(data: Data) -> None:
    clean, noisy = LabelSubset(labelled=200).apply(data, 5), LabelSubset(labelled=200, wrong=0.3).apply(data, 5)
    assert torch.equal(clean.inputs, noisy.inputs)
    assert int((clean.labels != noisy.labels).sum()) == 60


def test_fewer_labels_are_the_first_of_more_labels(data: Data) -> None:
    few, more = LabelSubset(labelled=20).apply(data, 5), LabelSubset(labelled=80).apply(data, 5)
    assert torch.equal(few.inputs, more.inputs[:20])


def test_an_omitted_class_is_never_shown(data: Data) -> None:
    shown = LabelSubset(omitted="3").apply(data, 0)
    assert 3 not in shown.labels
    assert len(shown) == LabelSubset(omitted="3").count(data) == 1000 - int((data.train.labels == 3).sum())
