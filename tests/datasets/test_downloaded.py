"""Downloaded data sets hold what was published."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from kd_core.base.registry import find_plugin
from kd_core.datasets import Data, NotAvailableError, Split
from tools.testing.dataset_files import PUBLISHED, Part, Published

Tiny = dict[str, Published]
EXACT = [name for name in PUBLISHED if name not in ("flowers102", "imagenette", "oxford_pets")]


def loaded(name: str, **options: Any) -> Data:
    return find_plugin("datasets", name)(**options).load()


def described(data: Data, *splits: Split) -> list[tuple[int, bytes]]:
    """Label and bytes of every image, sorted."""
    return sorted(
        (int(label), image.numpy().tobytes())
        for split in splits
        for label, image in zip(split.labels, data.pixels(split.inputs), strict=True)
    )


def written(*parts: Part) -> list[tuple[int, bytes]]:
    return sorted((int(label), image.tobytes()) for part in parts for image, label in zip(*part, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("name", EXACT)
def test_pixels_and_labels_are_those_that_were_published(name: str, tiny: Tiny) -> None:
    data, published = loaded(name), tiny[name]
    assert described(data, data.train, data.validation) == written(published.train)
    assert data.pixels(data.test.inputs).numpy().tobytes() == published.test[0].tobytes()
    assert data.test.labels.tolist() == published.test[1].tolist()
    assert data.shape == published.train[0].shape[1:]


@pytest.mark.parametrize("name", EXACT)
def test_a_tenth_of_the_training_split_is_held_out_class_by_class(name: str, tiny: Tiny) -> None:
    data, labels = loaded(name), tiny[name].train[1]
    for label, count in enumerate(np.bincount(labels).tolist()):
        assert int((data.validation.labels == label).sum()) == max(1, round(count / 10))


@pytest.mark.parametrize("name", PUBLISHED)
def test_inputs_are_standardised_by_the_training_split(name: str, tiny: Tiny) -> None:
    inputs = loaded(name).train.inputs
    assert inputs.dtype == torch.float32
    assert inputs.mean((0, 2, 3)).tolist() == pytest.approx([0] * inputs.shape[1], abs=1e-4)
    assert inputs.std((0, 2, 3), correction=0).tolist() == pytest.approx([1] * inputs.shape[1], abs=1e-4)


@pytest.mark.parametrize("name", ["flowers102", "imagenette"])
def test_photographs_of_any_size_become_squares_of_their_colour(name: str, tiny: Tiny) -> None:
    data, published = loaded(name, pixels=16), tiny[name]
    assert data.shape == (3, 16, 16)
    parts = [(data.test, published.test)]
    if published.validation:
        parts += [(data.train, published.train), (data.validation, published.validation)]
    for split, (colours, labels) in parts:
        assert split.labels.tolist() == labels.tolist()
        off = data.pixels(split.inputs).numpy().astype(int) - colours
        assert abs(off).max() <= 3  # JPEG is not exact
    assert len(data.train) + len(data.validation) == len(published.train[1]) + len(
        (published.validation or [[], []])[1]
    )


def test_trimaps_of_pets_are_masks_whose_border_has_no_class(tiny: Tiny) -> None:
    data, published = loaded("oxford_pets", pixels=16), tiny["oxford_pets"]
    assert data.classes == ("background", "pet")
    assert [len(split) for split in data.splits.values()] == [74, 37, 37]
    off = data.pixels(data.test.inputs).numpy().astype(int) - published.test[0]
    assert abs(off).max() <= 3  # JPEG is not exact
    for masks in (split.labels for split in data.splits.values()):
        assert masks.shape[1:] == (16, 16)
        assert (masks[:, :, 0] == 1).all()
        assert (masks[:, :, -1] == 0).all()
        assert (masks == -1).sum(2).max() <= 1  # the border is one pixel wide, and may fall between two
        assert (masks.diff(dim=2).count_nonzero(2) <= 2).all()


def test_a_trimap_with_another_value_is_named(tiny: Tiny, data_home: Path) -> None:
    first = next((data_home / "datasets" / "oxford_pets").rglob("*.png"))
    content = first.read_bytes()
    Image.fromarray(np.full((30, 30), 7, np.uint8)).save(first)
    with pytest.raises(ValueError, match=r"has values that are not 1, 2 or 3"):
        loaded("oxford_pets")
    first.write_bytes(content)


@pytest.mark.parametrize(
    ("split", "classes"),
    [("letters", "abc"), ("digits", "012"), ("mnist", "012"), ("bymerge", "0AZ"), ("byclass", "0AZaz")],
)
def test_each_part_of_emnist_stands_upright_and_has_its_classes(split: str, classes: str, tiny: Tiny) -> None:
    data = loaded("emnist", split=split)
    train, test = (tiny["emnist"].splits[split, part] for part in ("train", "test"))  # type: ignore[attr-defined]
    assert described(data, data.train, data.validation) == written(train)
    assert described(data, data.test) == written(test)
    assert len(data.classes) == len(np.unique(train[1]))
    assert set(classes) <= set(data.classes)


def test_stl_10_is_made_smaller_without_changing_its_mean(tiny: Tiny) -> None:
    data = loaded("stl10", pixels=48)
    assert data.shape == (3, 48, 48)
    whole = tiny["stl10"].test[0]
    halved = whole.reshape(len(whole), 3, 48, 2, 48, 2).mean((3, 5))
    small = data.pixels(data.test.inputs).numpy()
    # The antialiasing triangle is wider than a plain mean of four pixels, and close to it.
    assert np.corrcoef(small.ravel(), halved.ravel())[0, 1] > 0.9
    assert abs(small.mean() - whole.mean()) < 0.5


def test_the_images_without_labels_of_stl_10_are_not_kept(tiny: Tiny, data_home: Path) -> None:
    files = {path.name for path in (data_home / "datasets" / "stl10" / "stl10_binary").iterdir()}
    assert files == {"train_X.bin", "train_y.bin", "test_X.bin", "test_y.bin", "class_names.txt"}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_download_leaves_nothing_but_the_data(name: str, tiny: Tiny, data_home: Path) -> None:
    dataset = find_plugin("datasets", name)()
    assert dataset.is_available()
    top = {path.name for path in (data_home / "datasets" / name).iterdir()}
    assert top == {".lock", *(place.split("/")[0] for place in dataset.required_paths)}
    assert {resource.target for resource in dataset.resources()} == set(dataset.required_paths)


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_is_not_here_says_how_it_gets_here(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISTILLERY_DATA", str(tmp_path))
    dataset = find_plugin("datasets", name)()
    assert not dataset.is_available()
    assert dataset.download_size > 1_000_000
    with pytest.raises(
        NotAvailableError, match=rf"not on this machine yet \(.*[MG]B\).* python -m kd_core fetch {name}\."
    ):
        dataset.load()


@pytest.mark.parametrize("name", ["cifar10", "mnist", "svhn", "stl10", "flowers102"])
def test_damaged_files_are_named_and_not_unpickled(
    name: str, tiny: Tiny, data_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISTILLERY_DATA", str(tmp_path))
    dataset = find_plugin("datasets", name)()
    for path in (data_home / "datasets" / name).rglob("*"):
        copy = tmp_path / path.relative_to(data_home)
        if path.is_file():
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert dataset.is_available()
    with pytest.raises(ValueError, match=rf"damaged or incomplete.*datasets/{name}.*python -m kd_core fetch {name}"):
        dataset.load()


def test_more_than_half_of_the_memory_is_refused_with_its_size(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kd_core.datasets._splits.total_memory", lambda: 40_000_000)
    with pytest.raises(ValueError, match=r"250 images of 96 × 96 pixels take 28 MB.*choose fewer pixels"):
        loaded("stl10")
    assert loaded("stl10", pixels=16).shape == (3, 16, 16)
