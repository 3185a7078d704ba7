"""Folders of this machine as data sets, their permissions and splits."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from kd_core.base.registry import find_plugin
from kd_core.config.run import read_flat
from kd_core.datasets import Data, NotAvailableError


def folder(path: str | Path, **options: Any) -> Any:
    return find_plugin("datasets", "folder")(path=str(path), **options)


def fill(root: Path, seed: int = 0, **counts: int) -> Path:
    """Pictures of noise, so that no two are alike."""
    chance = np.random.default_rng(seed)
    for name, count in counts.items():
        (root / name).mkdir(parents=True)
        for number in range(count):
            pixels = chance.integers(0, 256, (9, 9, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / name / f"{number:03d}.png")
    return root


@pytest.fixture
def allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "allowed"
    root.mkdir()
    monkeypatch.setenv("DISTILLERY_FOLDERS", os.pathsep.join(["/nowhere at all", str(root)]))
    return root


def counts(data: Data) -> list[list[int]]:
    return [torch.bincount(part.labels).tolist() for part in (data.train, data.validation, data.test)]


def test_a_folder_is_split_eighty_ten_ten_class_by_class_and_always_alike(allowed: Path) -> None:
    fill(allowed / "pets", cat=40, dog=20, owl=3)
    data, again = folder("pets", pixels=8).load(), folder(allowed / "pets", pixels=8).load()
    assert data.classes == ("cat", "dog", "owl")
    assert counts(data) == [[32, 16, 1], [4, 2, 1], [4, 2, 1]]
    assert torch.equal(data.train.inputs, again.train.inputs)
    everything = torch.cat([part.inputs.flatten(1) for part in (data.train, data.validation, data.test)])
    assert len(everything.unique(dim=0)) == 63
    assert data.shape == (3, 8, 8)
    assert folder("pets", pixels=8, colours="grey").load().shape == (1, 8, 8)


@pytest.mark.parametrize("names", [("train", "val", "test"), ("Training", "Valid", "Testing")])
def test_splits_that_are_there_are_kept(names: tuple[str, str, str], allowed: Path) -> None:
    for seed, (name, count) in enumerate(zip(names, (4, 2, 3), strict=True)):
        fill(allowed / "pets" / name, seed, cat=count, dog=count)
    assert counts(folder("pets").load()) == [[4, 4], [2, 2], [3, 3]]


@pytest.mark.parametrize(
    ("other", "expected"), [("val", [[18, 18], [3, 3], [2, 2]]), ("test", [[18, 18], [2, 2], [3, 3]])]
)
def test_a_split_that_is_not_given_is_a_tenth_of_the_training_images(
    other: str, expected: list[list[int]], allowed: Path
) -> None:
    fill(allowed / "pets" / "train", 0, cat=20, dog=20)
    fill(allowed / "pets" / other, 1, cat=3, dog=3)
    assert counts(folder("pets").load()) == expected


def test_a_class_may_be_called_train(allowed: Path) -> None:
    fill(allowed / "traffic", bus=10, train=10)
    assert folder("traffic").load().classes == ("bus", "train")


def test_splits_must_have_the_same_classes(allowed: Path) -> None:
    fill(allowed / "pets" / "train", cat=4, dog=4)
    fill(allowed / "pets" / "test", cat=4, owl=4)
    with pytest.raises(ValueError, match="is not in every split"):
        folder("pets").load()


def test_a_class_needs_a_picture_for_each_split(allowed: Path) -> None:
    fill(allowed / "pets", cat=10, owl=2)
    with pytest.raises(ValueError, match=r'at least 3 examples that differ.*"owl" has 2'):
        folder("pets").load()


def test_nothing_is_read_where_nobody_allowed_it(tmp_path: Path) -> None:
    path = fill(tmp_path / "pets", cat=5, dog=5)
    assert not folder(path).is_available()
    with pytest.raises(NotAvailableError, match=r"only where .* set the environment variable DISTILLERY_FOLDERS"):
        folder(path).load()


def test_no_folder_chosen_yet_says_what_to_do(allowed: Path) -> None:
    with pytest.raises(NotAvailableError, match="no folder is chosen yet: name one below"):
        folder("  ").load()
    _, errors = read_flat({"dataset": "folder"})
    assert [line.split(":")[0] for line in errors] == ["dataset = folder"]


def test_outside_of_what_is_allowed_nothing_is_said_about_what_exists(allowed: Path, tmp_path: Path) -> None:
    secret = fill(tmp_path / "secret", cat=5, dog=5)
    (allowed / "linked").symlink_to(secret, target_is_directory=True)
    messages = set()
    for path in (secret, "../secret", "linked", tmp_path / "not there", "/etc", "a\0b", "x" * 400):
        with pytest.raises(NotAvailableError) as error:
            folder(path).load()
        messages.add(str(error.value).replace(str(folder(path).path)[:59], "…").split("”")[1])
        assert not folder(path).is_available()
    assert len(messages) == 1
    assert str(allowed) not in messages.pop()


def test_several_folders_may_be_allowed_and_their_own_contents_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = fill(tmp_path / "one", cat=5, dog=5)
    fill(tmp_path / "two" / "inner", owl=5, jay=5)
    monkeypatch.setenv("DISTILLERY_FOLDERS", os.pathsep.join([str(first), str(tmp_path / "two")]))
    assert folder(first).load().classes == ("cat", "dog")
    assert folder("inner").load().classes == ("jay", "owl")
    assert folder("inner").is_available()


def fill_masks(root: Path, labelled: int, unlabelled: int = 0) -> Path:
    """Write pictures of noise with masks of two classes, and pictures without."""
    fill(root, images=labelled + unlabelled)
    (root / "masks").mkdir()
    for number in range(labelled):
        mask = np.zeros((9, 9), np.uint8)
        mask[: 1 + number % 8] = 1
        Image.fromarray(mask).save(root / "masks" / f"{number:03d}.png")
    return root


def test_a_folder_of_images_and_masks_is_a_segmentation(allowed: Path) -> None:
    fill_masks(allowed / "scenes", labelled=20, unlabelled=10)
    dataset = folder("scenes", pixels=9)
    assert dataset.task.name == "segmentation"
    assert dataset.recommended_settings()["teacher"] == "unet"
    data = dataset.load()
    assert (data.task, data.classes) == (dataset.task, ("class 0", "class 1"))
    assert [len(split) for split in data.splits.values()] == [26, 2, 2]
    assert int(data.has_label.sum()) == 16
    assert (data.test.labels >= 0).all()
    assert "10 of the images have no mask" in " ".join(data.notes)
    pictures = data.pixels(data.test.inputs)
    files = {
        number: np.asarray(Image.open(path))
        for number, path in enumerate(sorted((allowed / "scenes/images").iterdir()))
    }
    for picture, mask in zip(pictures, data.test.labels, strict=True):
        (number,) = [n for n, file in files.items() if (file.transpose(2, 0, 1) == picture.numpy()).all()]
        assert (mask[:, 0] == 1).sum() == 1 + number % 8


@pytest.mark.parametrize("split", ["", "train"])
def test_masks_in_folders_of_splits_are_found_and_bad_ones_are_named(split: str, allowed: Path) -> None:
    root = fill_masks(allowed / "scenes" / split, labelled=20)
    Image.fromarray(np.zeros((9, 10), np.uint8)).save(root / "masks" / "003.png")
    with pytest.raises(ValueError, match=r"003.png\" has 10 × 9 pixels, and its image 9 × 9"):
        folder("scenes").load()
    data = folder("scenes", leave_out=True).load()
    assert sum(map(len, data.splits.values())) == 19


def test_a_folder_whose_masks_have_other_names_says_so(allowed: Path) -> None:
    fill(allowed / "scenes", images=10)
    (allowed / "scenes" / "masks").mkdir()
    with pytest.raises(ValueError, match="has no mask of the same name, and no other image has one"):
        folder("scenes").load()
