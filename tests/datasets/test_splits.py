"""Stratified splits, standardisation and the memory check."""

from pathlib import Path

import numpy as np
import pytest
import torch

from kd_core.datasets import _splits
from kd_core.datasets._splits import assemble, hold_out, moments


def test_at_most_so_many_are_held_out_and_each_class_keeps_its_share() -> None:
    labels = torch.randint(0, 3, (60_000,), generator=torch.Generator().manual_seed(0))
    labels[:600] = 3
    rest, held = hold_out(labels, 0.1, 5_000)
    assert 4_990 <= len(held) <= 5_000
    assert sorted([*rest.tolist(), *held.tolist()]) == list(range(60_000))
    fractions = torch.bincount(labels[held]) / torch.bincount(labels)
    assert fractions.tolist() == pytest.approx([1 / 12] * 4, abs=0.001)
    assert torch.equal(hold_out(labels, 0.1, 5_000)[1], held)


def test_a_class_with_one_example_keeps_it() -> None:
    rest, held = hold_out(torch.tensor([0, 0, 0, 1]), 0.1)
    assert 3 in rest.tolist()
    assert len(held) == 1


def test_mean_and_spread_are_those_of_numpy() -> None:
    pixels = np.random.default_rng(0).integers(0, 200, (700, 2, 5, 4), dtype=np.uint8)
    mean, std = moments(torch.from_numpy(pixels))
    assert mean == pytest.approx((pixels / 255).mean((0, 2, 3)))
    assert std == pytest.approx((pixels / 255).std((0, 2, 3)))


def test_images_of_one_grey_level_stay_finite() -> None:
    part = torch.full((4, 1, 2, 2), 7, dtype=torch.uint8), torch.tensor([0, 1, 0, 1])
    assert (assemble(("a", "b"), part, part, part).train.inputs == 0).all()


def test_a_label_without_a_class_is_refused() -> None:
    part = torch.zeros(2, 1, 2, 2, dtype=torch.uint8), torch.tensor([0, 2])
    with pytest.raises(ValueError, match="their labels are not those of 2 classes"):
        assemble(("a", "b"), part, part, part)


def test_the_memory_of_a_container_counts_where_it_is_smaller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = _splits.total_memory()
    assert whole > 100_000_000
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(_splits, "MEMORY_LIMIT", limit)
    limit.write_text("1000000\n")
    assert _splits.total_memory() == 1_000_000
    limit.write_text("max\n")
    assert _splits.total_memory() >= whole
