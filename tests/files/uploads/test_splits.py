"""Tests of the splits of uploaded data sets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from kd_core.base.events import Failed, Finished
from kd_core.base.registry import find_plugin
from kd_core.config.run import from_flat, read_flat
from kd_core.datasets import Data, NotAvailableError, load
from kd_core.files import uploads
from kd_core.training.loop import Trainer
from tests.files.uploads.conftest import encoded, folders, noise, packed, points


def table(lines: int = 200) -> bytes:
    generator = np.random.default_rng(3)
    coordinates = generator.normal([100, -7], [30, 0.01], (lines, 2))
    return "\n".join(f"{x},{y},{'abc'[number % 3]}" for number, (x, y) in enumerate(coordinates)).encode()


BLOBS = {
    "fewest": packed({f"{c}/{n}.png": encoded(noise(8, 8)) for c in "abc" for n in range(5)}),
    "grey": packed(folders(side=12)),
    "colour": packed(folders() | {f"rat/{n}.png": encoded(noise(20, 9, 3)) for n in range(40)}),
    "points": table(),
}


def load_upload(blob: bytes) -> Data:
    return load(find_plugin("datasets", "upload")(id=uploads.add("mine", blob).id))  # type: ignore[call-arg, arg-type]


@pytest.mark.parametrize("blob", BLOBS.values(), ids=BLOBS)
def test_an_upload_fulfils_the_contract_of_a_data_set(home: Path, blob: bytes) -> None:
    upload = uploads.add("mine", blob)
    dataset = find_plugin("datasets", "upload")(id=upload.id)  # type: ignore[call-arg]
    data, again = dataset.load(), dataset.load()  # type: ignore[attr-defined]
    splits = [(getattr(data, part), getattr(again, part)) for part in ("train", "validation", "test")]
    for split, same in splits:
        assert torch.equal(split.inputs, same.inputs)
        assert torch.equal(split.labels, same.labels)
        assert (split.inputs.dtype, split.labels.dtype) == (torch.float32, torch.int64)
        assert split.inputs.isfinite().all()
        assert sorted(split.labels.unique().tolist()) == list(range(len(data.classes)))
    everything = torch.cat([split.inputs.flatten(1) for split, _ in splits])
    assert len(everything) == len(everything.unique(dim=0)) == len(upload)
    assert data.classes == upload.classes
    assert data.shape == upload.shape


@pytest.mark.parametrize("blob", BLOBS.values(), ids=BLOBS)
def test_inputs_are_standardized_by_the_training_split(home: Path, blob: bytes) -> None:
    data = load_upload(blob)
    dims = (0,) if data.is_planar else (0, 2, 3)
    std, mean = torch.std_mean(data.train.inputs.double(), dims, correction=0)
    torch.testing.assert_close(mean, torch.zeros_like(mean), atol=1e-4, rtol=0)
    torch.testing.assert_close(std, torch.ones_like(std), atol=1e-4, rtol=0)


def test_pixels_are_recovered_from_standardized_inputs(home: Path) -> None:
    upload = uploads.add("mine", BLOBS["colour"])
    data = load(find_plugin("datasets", "upload")(id=upload.id))  # type: ignore[call-arg, arg-type]
    stored = {row.numpy().tobytes() for row in uploads.read(upload.id)[0]}
    assert {row.numpy().tobytes() for row in data.pixels(data.train.inputs)} <= stored


def test_the_splits_hold_70_15_and_15_percent_of_each_class(home: Path) -> None:
    lines = [f"{number},{number**2 % 7},{'ab'[number % 3 == 0]}" for number in range(300)]
    data = load_upload("\n".join(lines).encode())
    counts = [torch.bincount(split.labels).tolist() for split in (data.train, data.validation, data.test)]
    assert counts == [[140, 70], [30, 15], [30, 15]]


def test_copies_of_one_example_are_in_one_split(home: Path) -> None:
    data = load_upload("\n".join(points(40) * 3).encode())
    rows = [{tuple(row) for row in split.inputs.tolist()} for split in (data.train, data.validation, data.test)]
    assert sum(map(len, rows)) == len(set().union(*rows)) == 40
    assert len(data.train) + len(data.validation) + len(data.test) == 120


def test_a_channel_without_contrast_gives_finite_inputs(home: Path) -> None:
    red = np.zeros((12, 8, 8, 3), np.uint8)
    red[..., 0] = noise(12, 8, 8)
    data = load_upload(packed({f"{'ab'[n % 2]}/{n}.png": encoded(image) for n, image in enumerate(red)}))
    assert data.train.inputs.isfinite().all()
    assert data.std[1:] == (1.0, 1.0)


@pytest.mark.parametrize("key", ["", "0" * 32, "../../secret", "x"])
def test_the_error_for_an_unknown_upload_says_what_to_do(home: Path, key: str) -> None:
    dataset = find_plugin("datasets", "upload")(id=key)  # type: ignore[call-arg]
    assert not dataset.is_available()  # type: ignore[attr-defined]
    for ask in (dataset.load, lambda: dataset.download(lambda *_: None)):  # type: ignore[attr-defined]
        with pytest.raises(NotAvailableError, match="There is no upload with that id on this machine: upload a ZIP"):
            ask()
    config, errors = read_flat({"dataset": "upload", "dataset_id": key})
    assert config.dataset.name == "digits"
    assert errors[0].startswith("dataset = upload: There is no upload")


@pytest.mark.parametrize("blob", [BLOBS["colour"], BLOBS["points"]])
def test_an_upload_is_chosen_by_its_id_and_trains_from_end_to_end(home: Path, blob: bytes) -> None:
    upload = uploads.add("mine", blob)
    flat = {"dataset": "upload", "dataset_id": upload.id, "epochs": "2", "teacher_epochs": "1"}
    config = from_flat(flat)
    assert from_flat(config.differences()) == config
    events = list(Trainer(config))
    assert not [event for event in events if isinstance(event, Failed)]
    assert isinstance(events[-1], Finished)
