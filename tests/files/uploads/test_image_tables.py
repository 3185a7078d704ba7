"""Images of one's own whose labels or numbers are in a table beside them, and the mistakes that people make."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kd_core.datasets import load
from kd_core.datasets.upload import Uploaded
from kd_core.files import uploads
from kd_core.files.uploads import Choices, Understanding
from tests.files.uploads.conftest import encoded, packed

COUNT = 24
GREY = {number: np.full((9, 9), 10 * number, np.uint8) for number in range(COUNT)}  # the grey level is the image
TAGS = ["cat|dog", "cat", "dog", "cat|owl", "owl", "dog|owl"]
Files = dict[str, bytes]


def pictures(folder: str = "images/", ending: str = "png", count: int = COUNT) -> Files:
    return {f"{folder}{number:02d}.{ending}": encoded(GREY[number]) for number in range(count)}


def table(rows: Sequence[Sequence[object]], *names: str) -> bytes:
    return "\n".join(",".join(map(str, row)) for row in [names, *rows]).encode()


def tags(number: int) -> str:
    return TAGS[number % len(TAGS)]


def of_tags(name: str = "{:02d}.png") -> bytes:
    return table([(name.format(number), tags(number)) for number in range(COUNT)], "file_name", "labels")


def inspected(files: Files, **choices: Any) -> Understanding:
    return uploads.inspect("mine.zip", packed(files), Choices(pixels=9, **choices))  # type: ignore[arg-type]


def stored(understanding: Understanding) -> dict[int, list[float]]:
    """Return the labels of each image by its number."""
    images, labels = understanding.tensors["inputs"][:, 0, 0, 0] // 10, understanding.tensors["labels"]
    return dict(zip(images.tolist(), labels.tolist(), strict=True))


def flags(number: int, classes: Sequence[str] = ("cat", "dog", "owl")) -> list[int]:
    return [int(name in tags(number).split("|")) for name in classes]


@pytest.mark.parametrize("name", ["{:02d}.png", "images/{:02d}.png", "{:02d}", "data\\images\\{:02d}.png"])
def test_a_table_gives_every_image_any_number_of_labels(name: str) -> None:
    understanding = inspected(pictures("data/images/") | {"data/labels.csv": of_tags(name)})
    assert (understanding.kind, understanding.task) == ("multi-label images", "multi_label")
    assert understanding.obstacle == ""
    assert understanding.classes == ("cat", "dog", "owl")
    assert stored(understanding) == {number: flags(number) for number in range(COUNT)}
    assert understanding.headline == (
        'ZIP archive of images, and their labels in "data/labels.csv": 24 images with any number of labels each, '
        "3 classes."
    )
    assert [column.role for column in understanding.columns] == ["image", "label"]


def test_columns_of_0_and_1_beside_the_names_are_labels_without_a_prefix() -> None:
    rows = [(f"{number:02d}.png", *flags(number)) for number in range(COUNT)]
    understanding = inspected(pictures("") | {"_classes.csv": table(rows, "filename", "cat", "dog", "owl")})
    assert understanding.label == ("cat", "dog", "owl")
    assert stored(understanding) == {number: flags(number) for number in range(COUNT)}


@pytest.mark.parametrize("form", ["object of lists", "list of objects", "lines", "object of objects"])
def test_json_gives_the_labels_as_well(form: str) -> None:
    names = {number: f"{number:02d}.png" for number in range(COUNT)}
    records = [{"file": name, "tags": tags(number).split("|")} for number, name in names.items()]
    content: object = {
        "object of lists": {name: tags(number).split("|") for number, name in names.items()},
        "list of objects": records,
        "object of objects": {name: dict(zip("cdo", flags(number), strict=True)) for number, name in names.items()},
        "lines": records,
    }[form]
    lines = "\n".join(map(json.dumps, records))
    text = lines if form == "lines" else json.dumps(content, indent=1)
    understanding = inspected(pictures() | {"labels.jsonl" if form == "lines" else "labels.json": text.encode()})
    assert understanding.kind == "multi-label images"
    assert stored(understanding) == {number: flags(number) for number in range(COUNT)}


def test_a_table_for_every_split_gives_the_splits() -> None:
    files: Files = {}
    for split, numbers in {"train": range(12), "valid": range(12, 18), "test": range(18, 24)}.items():
        rows = [(f"{number:02d}.png", number / 7) for number in numbers]
        files |= {f"{split}/{number:02d}.png": encoded(GREY[number]) for number in numbers}
        files[f"{split}/metadata.csv"] = table(rows, "file_name", "height")
    understanding = inspected(files)
    assert understanding.kind == "regression images"
    assert understanding.given_splits == ("train", "validation", "test")
    assert understanding.tensors["splits"].bincount().tolist() == [12, 6, 6]
    assert stored(understanding) == {number: [pytest.approx(number / 7)] for number in range(COUNT)}


def test_a_column_gives_the_splits() -> None:
    splits = ["train", "train", "val", "test"]
    rows = [(f"{number:02d}.png", tags(number), splits[number % 4]) for number in range(COUNT)]
    understanding = inspected(pictures() | {"labels.csv": table(rows, "image", "labels", "split")})
    by_image = dict(
        zip(
            (understanding.tensors["inputs"][:, 0, 0, 0] // 10).tolist(),
            understanding.tensors["splits"].tolist(),
            strict=True,
        )
    )
    assert by_image == {number: [0, 0, 1, 2][number % 4] for number in range(COUNT)}


def test_a_table_gives_one_class_each() -> None:
    rows = [(f"{number:02d}.png", ["cat", "dog"][number % 2]) for number in range(COUNT)]
    understanding = inspected(pictures() | {"labels.csv": table(rows, "image", "species")})
    assert (understanding.kind, understanding.classes) == ("images", ("cat", "dog"))
    assert stored(understanding) == {number: number % 2 for number in range(COUNT)}


def test_class_folders_come_before_a_table_unless_the_user_says_so() -> None:
    files = {f"{'ab'[number % 2]}/{number:02d}.png": encoded(GREY[number]) for number in range(COUNT)}
    files["ages.csv"] = table([(f"{number:02d}.png", number / 3) for number in range(COUNT)], "image", "age")
    understanding = inspected(files)
    assert (understanding.kind, understanding.classes) == ("images", ("a", "b"))
    assert 'take the labels of "ages.csv" instead with kind=table' in " ".join(understanding.findings)
    assert inspected(files, kind="table").kind == "regression images"
    assert "kind=table" not in " ".join(inspected(files, kind="images").findings)


def with_line(number: int, line: str) -> Files:
    """Return images with numbers of which one line is replaced."""
    lines = [f"{each:02d}.png,{each / 7}" for each in range(COUNT)]
    lines[number] = line
    return pictures() | {"labels.csv": "\n".join(["image,height", *lines]).encode()}


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        (with_line(3, "03.png,tall"), '"labels.csv", line 5, column 2: "tall" is not a number'),
        (with_line(3, "03.png,nan"), '"labels.csv", line 5, column 2 is empty: write the number there'),
        (with_line(3, "03.png,"), '"labels.csv", line 5, column 2 is empty: write the number there'),
        (with_line(3, "03.png,inf"), '"labels.csv", line 5, column 2: "inf" is not a finite number'),
        (with_line(3, "03.png,1,2"), '"labels.csv", line 5 has 3 columns, and the first one 2'),
        (with_line(3, "33.png,1"), '"labels.csv", line 5 names "33.png", which is not among the files'),
        (with_line(3, "04.png,1"), '"labels.csv", line 6 names "images/04.png" as "labels.csv", line 5 does'),
        (with_line(3, "33.png,1"), '"images/03.png" has no line in "labels.csv": add one, or take it out'),
        (with_line(0, "00.png,0") | {"images/00.png": b"nothing"}, '"images/00.png" is not an image that can be read'),
    ],
)
def test_what_cannot_be_used_is_listed_with_its_reason(files: Files, reason: str) -> None:
    understanding = inspected(files)
    assert reason in " ".join(one.reason for one in understanding.left_out)
    assert understanding.obstacle
    assert len(understanding.left_out) <= 2
    assert not inspected(files, leave_out=True).obstacle
    assert sum(inspected(files, leave_out=True).examples.values()) == COUNT - 1


def test_an_image_without_labels_and_a_rare_class_are_listed() -> None:
    rows = [(f"{number:02d}.png", "" if number == 2 else tags(number)) for number in range(COUNT)]
    rows[3] = ("03.png", "cat|yeti")
    understanding = inspected(pictures() | {"labels.csv": table(rows, "image", "labels")})
    assert [one.reason for one in understanding.left_out] == [
        '"labels.csv", line 4, column 2 is empty: write its labels there.',
        'the class "yeti" has 1 of the 5 examples that it needs: leave it out.',
    ]


def test_a_table_that_names_no_images_changes_nothing() -> None:
    files = {f"{'ab'[number % 2]}/{number:02d}.png": encoded(GREY[number]) for number in range(COUNT)}
    sales = table([(2000 + number, number * 3.5) for number in range(40)], "year", "sales")
    understanding = inspected(files | {"sales.csv": sales, "broken.json": b"{", "note.json": b'{"a": [1]}'})
    assert (understanding.kind, understanding.classes) == ("images", ("a", "b"))


def test_numbers_that_are_all_the_same_are_refused() -> None:
    rows = [(f"{number:02d}.png", 1.5) for number in range(COUNT)]
    with pytest.raises(ValueError, match='the numbers of "height" are all the same'):
        inspected(pictures() | {"labels.csv": table(rows, "image", "height")}, label=("height",))


def test_a_folder_on_this_machine_and_the_data_set_hold_the_same(home: Path, tmp_path: Path) -> None:
    for path, content in (pictures() | {"labels.csv": of_tags()}).items():
        (tmp_path / "mine" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "mine" / path).write_bytes(content)
    understanding = uploads.inspect("mine", tmp_path / "mine", Choices(pixels=9))
    assert stored(understanding) == {number: flags(number) for number in range(COUNT)}
    data = load(Uploaded(id=uploads.keep(understanding).id))
    assert data.task.name == "multi_label"
    assert data.shape == (1, 9, 9)
    assert sum(torch.bincount(split.labels.sum(1)) for split in data.splits.values()).tolist() == [0, 12, 12]
