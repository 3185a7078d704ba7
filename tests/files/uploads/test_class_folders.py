"""Tests of class folders in every shape that people have, from a ZIP archive and from a folder on a disk alike."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from kd_core.base.registry import find_plugin
from kd_core.datasets import Data
from kd_core.files import uploads
from kd_core.files.uploads import Choices, Understanding
from kd_core.files.uploads.folders.image_list import list_images
from tests.files.uploads.conftest import encoded, folders, noise, packed

Inspect = Callable[..., Understanding]
LITTER = (
    ".ipynb_checkpoints/cat/0-checkpoint.png", "cat/.ipynb_checkpoints/0.png", "__MACOSX/cat/._0.png", ".DS_Store",
    "cat/Thumbs.db", "dog/desktop.ini", "dog/Icon\r", "cat/ehthumbs.db", "README.md", "dog/readme.txt", "LICENSE",
    "labels.csv", "cat/0.json",
)  # fmt: skip


@pytest.fixture(params=["zip", "folder"])
def inspect(request: pytest.FixtureRequest, home: Path, tmp_path: Path) -> Inspect:
    """Function that packs files, or writes them into a folder, and inspects them."""

    def from_zip(files: Mapping[Any, bytes], **choices: Any) -> Understanding:
        return uploads.inspect("pets.zip", packed(files), Choices(**choices))

    def from_folder(files: Mapping[Any, bytes], **choices: Any) -> Understanding:
        root = tmp_path / "pets"
        for path, blob in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            if not str(path).endswith("/"):
                (root / path).write_bytes(blob)
            else:
                (root / path).mkdir(exist_ok=True)
        return uploads.inspect("pets", root, Choices(**choices))

    return from_zip if request.param == "zip" else from_folder


def images(folder: str, count: int = 6, side: int = 8) -> dict[Any, bytes]:
    return {f"{folder}/{number}.png": encoded(noise(side, side)) for number in range(count)}


def total(understood: Understanding) -> int:
    return sum(map(sum, understood.counts.values()))


def test_hidden_and_system_files_are_ignored_and_counted_in_one_line(inspect: Inspect) -> None:
    image = encoded(noise(8, 8))
    understood = inspect(folders() | dict.fromkeys(LITTER, image))
    assert understood.classes == ("cat", "dog")
    assert (total(understood), understood.left_out) == (12, ())
    assert all(any(path.startswith(one) for one in understood.passed_over) for path in LITTER)
    (line,) = [line for line in understood.findings if "ignored" in line]
    assert line.startswith(f"{len(understood.passed_over)} hidden, system or other files are ignored, such as ")


@pytest.mark.parametrize("around", ["", "pets/", "downloads/pets/"])
@pytest.mark.parametrize(
    "names", [("train", "val", "test"), ("Training", "valid", "Testing"), ("train", "dev", "test")]
)
def test_given_splits_are_kept(inspect: Inspect, around: str, names: tuple[str, ...]) -> None:
    files: dict[Any, bytes] = {}
    for name, count in zip(names, (4, 2, 3), strict=True):
        for label in ("cat", "dog"):
            files |= images(f"{around}{name}/{label}", count)
    understood = inspect(files)
    assert understood.counts == {"train": (4, 4), "validation": (2, 2), "test": (3, 3)}
    assert understood.given_splits == ("train", "validation", "test")


@pytest.mark.parametrize(
    ("other", "drawn", "counts"), [("val", "test", [34, 5, 6]), ("test", "validation", [34, 6, 5])]
)
def test_a_split_that_is_missing_is_drawn_from_training(
    inspect: Inspect, other: str, drawn: str, counts: list[int]
) -> None:
    files = images("train/cat", 20) | images("train/dog", 20) | images(f"{other}/cat", 2) | images(f"{other}/dog", 3)
    understood = inspect(files)
    assert [sum(counts) for counts in understood.counts.values()] == counts
    assert understood.given_splits == tuple(split for split in ("train", "validation", "test") if split != drawn)
    assert f"The {drawn} split is drawn from the training split." in understood.findings


def test_images_in_folders_inside_of_a_class_belong_to_it_and_a_class_may_be_called_train(inspect: Inspect) -> None:
    nested = inspect(images("dogs/terrier") | images("dogs/poodle") | images("cats/siamese/kitten"))
    assert (nested.classes, [sum(counts) for counts in zip(*nested.counts.values(), strict=True)]) == (
        ("cats", "dogs"), [6, 12],
    )  # fmt: skip


def test_a_class_may_be_called_train() -> None:
    listed = list_images(["bus/1.png", "train/1.png", "test/1.png"])
    assert [(image.label, image.split) for image in listed.images] == [("bus", None), ("test", None), ("train", None)]


def test_images_without_a_class_are_listed_with_where_they_lie(inspect: Inspect) -> None:
    files = images("train/cat") | images("train/dog") | images("test/cat") | images("test/dog")
    understood = inspect(files | {"test/5.png": b"", "cover.jpg": b"", "more/x/1.png": b""})
    assert {one.where: one.reason.split('" ')[1] for one in understood.left_out} == {
        "test/5.png": "lies outside of the class folders: move it into one, or out.",
        "cover.jpg": "is in none of the folders for training, validation and test: move it into one.",
        "more/x/1.png": "is in none of the folders for training, validation and test: move it into one.",
    }


def test_one_bad_file_among_many_is_listed_and_left_out_when_the_user_agrees(inspect: Inspect) -> None:
    files = folders(side=40)
    bad = {"cat/half.png": files["cat/0.png"][:200], "dog/photo.heic": b"", "dog/x": b"nothing"}
    small = images("owl", 2)
    understood = inspect(files | bad | small)
    assert [one.where for one in understood.left_out] == ["dog/photo.heic", "cat/half.png", "dog/x", "class owl"]
    assert 'the first since "dog/photo.heic" cannot be read: save it as PNG or JPEG' in understood.obstacle
    with pytest.raises(ValueError, match="4 files, rows or classes cannot be used"):
        uploads.keep(understood)
    assert uploads.list_all() == []
    upload = uploads.keep(inspect(files | bad | small, leave_out=True))
    assert (upload.classes, upload.counts) == (("cat", "dog"), (6, 6))


def test_where_most_files_are_bad_the_first_is_named_instead(inspect: Inspect) -> None:
    with pytest.raises(ValueError, match=r'12 of its 24 examples cannot be used, the first since "bad/0'):
        inspect(folders() | {f"bad/{number}.png": b"" for number in range(12)})


# -- copies ---------------------------------------------------------------------------------------------------------


def split_rows(understood: Understanding) -> list[set[bytes]]:
    inputs, splits = understood.tensors["inputs"], understood.tensors["splits"]
    return [{row.numpy().tobytes() for row in inputs[splits == number]} for number in range(3)]


def test_copies_by_decoded_pixels_stay_in_one_split_whatever_their_format_and_class(inspect: Inspect) -> None:
    pictures = {(name, number): noise(8, 8) for name in ("cat", "dog") for number in range(20)}
    files = {f"{name}/{number}.png": encoded(picture) for (name, number), picture in pictures.items()}
    files |= {f"{name}/copy/{number}.bmp": encoded(picture, "BMP") for (name, number), picture in pictures.items()}
    files |= {"dog/of a cat.tif": encoded(pictures["cat", 0], "TIFF")}
    understood = inspect(files)
    assert (total(understood), understood.copies, understood.contradictory) == (81, 41, 1)
    parts = split_rows(understood)
    assert sum(map(len, parts)) == len(set().union(*parts)) == 40
    assert "41 examples are the same as an earlier one; copies are in one split." in understood.findings


def test_copies_across_given_splits_are_taken_out_of_training_and_said(inspect: Inspect) -> None:
    files = images("train/cat", 12) | images("train/dog", 12)
    files |= {f"test/{path.split('/', 1)[1]}": blob for path, blob in files.items() if path[-5] in "345"}
    understood = inspect(files)
    assert understood.across == 6
    assert [sum(counts) for counts in understood.counts.values()][2] == 6
    parts = split_rows(understood)
    assert sum(map(len, parts)) == len(set().union(*parts)) == 24
    assert any("6 examples are taken out" in line for line in understood.findings)


def test_a_training_split_that_is_a_copy_of_the_test_is_refused(inspect: Inspect) -> None:
    files = images("train/cat") | images("train/dog")
    with pytest.raises(ValueError, match='class "cat" is not in every split, since the train split has no example'):
        inspect(files | {path.replace("train", "test"): blob for path, blob in files.items()})


@pytest.mark.parametrize("litter", [".ipynb_checkpoints/", "copy/"])
def test_noise_and_its_copies_cannot_be_learnt_by_heart_from_a_folder(
    litter: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No test picture is a training picture, whether its copies are litter or not."""
    monkeypatch.setenv("DISTILLERY_FOLDERS", str(tmp_path))
    for path in [f"{name}/{number}.png" for name in ("cat", "dog") for number in range(20)]:
        name, file = path.split("/")
        for place in (tmp_path / "pets" / path, tmp_path / "pets" / name / litter / file):
            place.parent.mkdir(parents=True, exist_ok=True)
        picture = Image.fromarray(noise(9, 9, 3))
        picture.save(tmp_path / "pets" / path)
        picture.save(tmp_path / "pets" / name / litter / file)
    data: Data = find_plugin("datasets", "folder")(path="pets", pixels=8).load()  # type: ignore[call-arg, attr-defined]
    train, test = ({row.numpy().tobytes() for row in split.inputs} for split in (data.train, data.test))
    assert not train & test
    expected = 40 if litter.startswith(".") else 80
    assert sum(len(split) for split in data.splits.values()) == expected
    assert bool(data.notes)


# -- names in archives ----------------------------------------------------------------------------------------------


def named(*names: bytes) -> bytes:
    """Return an archive with six images in a folder of each name, as other programs write it, without a flag."""
    places = [chr(ord("A") + number) * len(name) for number, name in enumerate(names)]
    blob = packed({path: image for place in places for path, image in images(place).items()}, zipfile.ZIP_STORED)
    for place, name in zip(places, names, strict=True):
        blob = blob.replace(f"{place}/".encode(), name + b"/")
    return blob


@pytest.mark.parametrize("encoding", ["utf-8", "cp437"])
def test_names_without_the_flag_are_utf8_or_else_of_dos(home: Path, encoding: str) -> None:
    names = ("h\u00fchner", "katzen")
    assert uploads.inspect("pets.zip", named(*(name.encode(encoding) for name in names))).classes == names


def test_names_in_other_scripts_are_read_without_the_flag(home: Path) -> None:
    names = ("\u72d7", "\u732b")
    assert uploads.inspect("pets.zip", named(*(name.encode() for name in names))).classes == names


def test_backslashes_between_folders_are_read_as_slashes(home: Path) -> None:
    files = {path.replace("/", "\\"): blob for path, blob in folders("pets/").items()}  # type: ignore[union-attr]
    understood = uploads.inspect("pets.zip", packed(files))
    assert (understood.classes, total(understood)) == (("cat", "dog"), 12)
    with pytest.raises(ValueError, match="is not a plain path"):
        uploads.inspect("pets.zip", packed(files | {"..\\..\\x.png": b""}))


def test_an_empty_class_folder_is_named(inspect: Inspect) -> None:
    understood = inspect(folders() | {"mouse/": b"", "cat/old/": b"", ".cache/": b""})
    assert [one.reason for one in understood.left_out] == [
        'the folder "mouse" is empty: put images into it, or take it out.'
    ]


# -- the upload -----------------------------------------------------------------------------------------------------


def test_an_upload_has_the_splits_that_were_understood(inspect: Inspect) -> None:
    understood = inspect(folders() | images("owl", 40))
    upload = uploads.keep(understood)
    data: Data = find_plugin("datasets", "upload")(id=upload.id).load()  # type: ignore[call-arg, attr-defined]
    counts = {name: tuple(split.labels.bincount().tolist()) for name, split in data.splits.items()}
    assert counts == understood.counts


def test_an_upload_of_an_earlier_version_is_split_as_before(home: Path) -> None:
    """The split of uploads without stored splits, by the algorithm that drew it then."""
    from kd_core.files.content_store import ContentStore

    inputs, labels = torch.from_numpy(noise(60, 1, 8, 8)), torch.arange(60) % 2
    metadata = {"kind": "images", "classes": '["2", "10"]', "counts": "[30, 30]", "shape": "[1, 8, 8]"}
    key = ContentStore("uploads").put({"inputs": inputs, "labels": labels}, metadata, "old.zip")
    data: Data = find_plugin("datasets", "upload")(id=key).load()  # type: ignore[call-arg, attr-defined]
    assert data.classes == ("2", "10")  # numbers were sorted by value
    assert [len(split) for split in data.splits.values()] == [44, 8, 8]
