"""Own images with boxes as COCO JSON, YOLO text files and Pascal VOC XML, and the errors that people make."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from kd_core.config.run import from_flat
from kd_core.datasets import load
from kd_core.datasets.upload import Uploaded
from kd_core.files import uploads
from kd_core.files.uploads.understanding import Choices
from kd_core.tasks._boxes import true_boxes

SIZE = (80, 40)  # width and height of an image
BOX = (8, 10, 40, 30)  # corners in pixels
COUNT = 24

Files = dict[str, bytes]


def picture(number: int) -> bytes:
    pixels = np.random.default_rng(number).integers(0, 90, (SIZE[1], SIZE[0]), dtype=np.uint8)
    pixels[BOX[1] : BOX[3], BOX[0] : BOX[2]] = 220
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def packed(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, content in files.items():
            archive.writestr(path, content)
    return buffer.getvalue()


def coco(changed: Callable[[dict], None] = lambda _: None) -> Files:
    x0, y0, x1, y1 = BOX
    document = {
        "categories": [{"id": 7, "name": "cat"}, {"id": 9, "name": "dog"}],
        "images": [
            {"id": n, "file_name": f"{n}.png", "width": SIZE[0], "height": SIZE[1]} for n in range(COUNT)
        ],
        "annotations": [
            {"id": n, "image_id": n, "category_id": (7, 9)[n % 2], "bbox": [x0, y0, x1 - x0, y1 - y0]}
            for n in range(COUNT)
        ],
    }  # fmt: skip
    changed(document)
    return {"annotations.json": json.dumps(document).encode(), **{f"images/{n}.png": picture(n) for n in range(COUNT)}}


def yolo(line: str = "", names: str = "names: [cat, dog]\n") -> Files:
    width, height = SIZE
    x0, y0, x1, y1 = BOX
    numbers = f"{(x0 + x1) / 2 / width} {(y0 + y1) / 2 / height} {(x1 - x0) / width} {(y1 - y0) / height}"
    labels = {f"labels/train/{n}.txt": f"{n % 2} {numbers}\n".encode() for n in range(COUNT)}
    labels["labels/train/0.txt"] += line.encode()
    return {"data.yaml": names.encode(), **labels, **{f"images/train/{n}.png": picture(n) for n in range(COUNT)}}


def voc(more: str = "") -> Files:
    x0, y0, x1, y1 = BOX
    box = f"<bndbox><xmin>{x0 + 1}</xmin><ymin>{y0 + 1}</ymin><xmax>{x1}</xmax><ymax>{y1}</ymax></bndbox>"
    size = f"<size><width>{SIZE[0]}</width><height>{SIZE[1]}</height></size>"
    files: Files = {}
    for n in range(COUNT):
        objects = f"<object><name>{('cat', 'dog')[n % 2]}</name>{box}</object>" + (more if n == 0 else "")
        text = f"<annotation><filename>{n}.png</filename>{size}{objects}</annotation>"
        files |= {f"Annotations/{n}.xml": text.encode(), f"JPEGImages/{n}.png": picture(n)}
    return files


@pytest.mark.parametrize("files", [coco(), yolo(), voc()], ids=["coco", "yolo", "voc"])
def test_the_three_formats_give_the_same_boxes(files: Files) -> None:
    upload = uploads.add("mine.zip", packed(files))
    assert (upload.kind, upload.classes, sum(upload.counts)) == ("boxes", ("cat", "dog"), COUNT)
    data = load(Uploaded(id=upload.id))
    assert data.classes == ("cat", "dog", "background")
    expected = [BOX[0] / SIZE[0], BOX[1] / SIZE[1], BOX[2] / SIZE[0], BOX[3] / SIZE[1]]
    for split in data.splits.values():
        for image in true_boxes(split.labels, 2):
            torch.testing.assert_close(image.boxes, torch.tensor([expected]))
    assert from_flat({"dataset": "upload", "dataset_id": upload.id}).teacher.name == "detector"


def reasons(files: Files, **choices: object) -> list[str]:
    return [one.reason for one in uploads.inspect("mine.zip", packed(files), Choices(**choices)).left_out]  # type: ignore[arg-type]


COCO_FAULTS: list[tuple[str, Callable[[dict], None]]] = [
    ("has no area", lambda one: one["annotations"][0].update(bbox=[5, 5, 0, 9])),
    ("lies outside of its image", lambda one: one["annotations"][0].update(bbox=[500, 5, 10, 9])),
    ("is no number", lambda one: one["annotations"][0].update(bbox=[float("nan"), 5, 3, 9])),
    ("has an id that an earlier one has", lambda one: one["annotations"][1].update(id=0)),
    ("has the id 0 of another image", lambda one: one["images"][1].update(id=0)),
    ("which is not among the categories", lambda one: one["annotations"][0].update(category_id=3)),
    ("has no four numbers as bbox", lambda one: one["annotations"][0].update(bbox=[1, 2, 3])),
    ("is not among the files", lambda one: one["images"][0].update(file_name="gone.png")),
    ("has no width and height", lambda one: one["images"][0].pop("width")),
    (
        "has 10,000 boxes: give at most 200",
        lambda one: one["annotations"].extend(
            {"id": 100 + n, "image_id": 0, "category_id": 7, "bbox": [1, 1, 5, 5]} for n in range(9_999)
        ),
    ),
]


@pytest.mark.parametrize(("reason", "change"), COCO_FAULTS, ids=[reason for reason, _ in COCO_FAULTS])
def test_what_cannot_be_used_is_listed_and_left_out_after_the_user_agrees(
    reason: str, change: Callable[[dict], None]
) -> None:
    files = coco(change)
    listed = reasons(files)
    assert any(reason in one for one in listed)
    with pytest.raises(ValueError, match="cannot be used"):
        uploads.add("mine.zip", packed(files))
    assert 0 < sum(uploads.add("mine.zip", packed(files), leave_out=True).counts) < COUNT


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("0 0.5 0.5 0.1\n", "is no class number and four fractions"),
        ("cat 0.5 0.5 0.1 0.1\n", "is no class number and four fractions"),
        ("7 0.5 0.5 0.1 0.1\n", "there are names of 2: add its name"),
        ("0 40 20 10 10\n", "divide by the width and the height"),
        ("0 0.1 0.1 0.2 0.1 0.3 0.3\n", "has more than five numbers, as outlines have"),
        ("0 0.5 0.5 0 0.1\n", "has no area"),
    ],
)
def test_a_bad_line_of_a_yolo_file_is_listed(line: str, reason: str) -> None:
    (listed,) = reasons(yolo(line))
    assert reason in listed


@pytest.mark.parametrize("names", ["names:\n  0: cat\n  1: dog\n", "names:\n- cat\n- dog\n", "names: ['cat', \"dog\"]"])
def test_names_of_yolo_classes_are_read_in_every_common_form(names: str) -> None:
    assert uploads.inspect("mine.zip", packed(yolo(names=names))).classes == ("cat", "dog")
    assert uploads.inspect("mine.zip", packed(yolo(names=""))).classes == ("class 0", "class 1")


def test_a_bad_object_or_file_of_pascal_voc_is_listed() -> None:
    (listed,) = reasons(voc("<object><bndbox><xmin>1</xmin></bndbox></object>"))
    assert "has no name" in listed
    files = voc()
    files["Annotations/0.xml"] = b"<!DOCTYPE x [<!ENTITY a 'aaaa'>]><annotation/>"
    (listed,) = reasons(files)
    assert "is no plain XML" in listed


def test_a_box_across_the_edge_is_cut_and_an_image_without_objects_stays() -> None:
    def change(document: dict) -> None:
        document["annotations"][0]["bbox"] = [-5, 10, 20, 20]
        document["annotations"].pop()

    understood = uploads.inspect("mine.zip", packed(coco(change)))
    assert not understood.left_out
    assert any("1 boxes were cut" in note for note in understood.notes)
    assert any("1 images have no object" in note for note in understood.notes)
    assert len(understood.tensors["inputs"]) == COUNT


def test_a_folder_on_this_machine_is_read_as_an_archive_is(tmp_path: Path) -> None:
    for path, content in yolo().items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)
    assert uploads.inspect("mine", tmp_path).kind == "boxes"
