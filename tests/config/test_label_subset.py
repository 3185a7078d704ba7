"""Training labels of the students."""

from typing import Any

import pytest
import torch

from kd_core.base.seeds import generator
from kd_core.config.label_subset import FULL, LabelSubset, TrainSubset
from kd_core.config.run import from_flat
from kd_core.datasets import Data, Split, load
from kd_core.export.code.data import PROVIDED, add_examples
from kd_core.export.code.plan import TaskWriter
from kd_core.export.code.source import Sources


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


def with_some_labels() -> Data:
    """Return 20 points, of which every other one is without a label."""
    labels = torch.arange(20) % 3
    labels[::2] = -1
    split = Split(torch.arange(40.0).reshape(20, 2), labels)
    return Data(split, split, split, ("a", "b", "c"))


@pytest.mark.parametrize("labelled", [0, 4])
def test_examples_without_a_label_are_drawn_after_those_with_one(labelled: int) -> None:
    data = with_some_labels()
    rows, labels = TrainSubset(LabelSubset(labelled=labelled), seed=1).sample(data)
    assert len(rows) == (labelled or 10)
    assert (labels >= 0).all()
    everything = TrainSubset(LabelSubset(labelled=labelled), seed=1, with_rest=True)
    more, more_labels = everything.sample(data)
    assert (more.sort().values.tolist(), everything.count(data)) == (list(range(20)), 20)
    assert torch.equal(more[: len(rows)], rows)
    assert int((more_labels >= 0).sum()) == len(rows)
    with pytest.raises(ValueError, match="labelled = 11: the training split has 10 points with labels"):
        LabelSubset(labelled=11).validate(data)


@pytest.mark.parametrize("labelled", [0, 4])
@pytest.mark.parametrize("with_rest", [False, True])
def test_a_script_chooses_the_same_examples_among_some_without_a_label(labelled: int, with_rest: bool) -> None:
    data, view = with_some_labels(), TrainSubset(LabelSubset(labelled=labelled), seed=1, with_rest=with_rest)
    sources = Sources(PROVIDED)
    name = add_examples(view, data, TaskWriter(data.task, sources), channels_last=False)
    names: dict[str, Any] = {
        "torch": torch,
        "Tensor": torch.Tensor,
        "data": data,
        "generator": generator,
        "DEVICE": "cpu",
    }
    exec(sources.definitions[name], names)
    inputs, labels = names[name]()
    assert torch.equal(inputs, view.apply(data).inputs)
    assert torch.equal(labels, view.apply(data).labels)
