"""Images with masks of one's own, and the mistakes that people make with them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping

import numpy as np
import pytest
import torch
from PIL import Image

from kd_core.config.run import from_flat
from kd_core.datasets import load
from kd_core.datasets.upload import Uploaded
from kd_core.files import uploads
from kd_core.files.uploads import Choices
from kd_core.training.loop import Trainer

Files = dict[str, bytes]
PALETTE = list(range(256)) * 3


def png(array: np.ndarray, palette: bool = False, form: str = "PNG") -> bytes:
    image = Image.fromarray(array.astype(np.uint8))
    if palette:
        image.putpalette(PALETTE)
    buffer = io.BytesIO()
    image.save(buffer, form)
    return buffer.getvalue()


def mask(seed: int, size: int = 16) -> np.ndarray:
    """Background with one square of class 1 or 2."""
    values = np.zeros((size, size), np.uint8)
    values[2 : 8 + seed % 5, 4:12] = 1 + seed % 2
    return values


def picture(seed: int, size: int = 16) -> bytes:
    return png(np.random.default_rng(seed).integers(0, 256, (size, size, 3)))


def pairs(count: int = 12, change: Callable[[np.ndarray], np.ndarray] = lambda values: values) -> Files:
    files = {f"data/images/{number}.png": picture(number) for number in range(count)}
    return files | {f"data/masks/{number}.png": png(change(mask(number))) for number in range(count)}


def packed(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, content in files.items():
            archive.writestr(path, content)
    return buffer.getvalue()


def inspected(files: Files, **choices: object) -> uploads.Understanding:
    return uploads.inspect("mine.zip", packed(files), Choices(pixels=16, **choices))  # type: ignore[arg-type]


def reasons(files: Files) -> list[str]:
    return [one.reason for one in inspected(files).left_out]


def test_pairs_of_images_and_masks_are_a_segmentation() -> None:
    understanding = inspected(pairs())
    assert (understanding.kind, understanding.task, understanding.obstacle) == ("masks", "segmentation", "")
    assert understanding.headline == "ZIP archive of images and masks: 12 images with masks, 3 classes."
    assert understanding.classes == ("class 0", "class 1", "class 2")
    assert sum(counts[0] for counts in understanding.counts.values()) == 12  # the background is in every image
    assert {len(understanding.tensors["splits"]), len(understanding.tensors["labels"])} == {12}


@pytest.mark.parametrize("palette", [False, True])
def test_palettes_and_grey_values_are_class_numbers_and_255_is_none(palette: bool) -> None:
    files = pairs()
    values = mask(3)
    values[0, :4] = 255
    files["data/masks/3.png"] = png(values, palette)
    understanding = inspected(files)
    (row,) = np.flatnonzero((understanding.tensors["labels"].numpy() == values).all((1, 2)))
    image = np.asarray(Image.open(io.BytesIO(files["data/images/3.png"])))
    assert (understanding.tensors["inputs"][row].permute(1, 2, 0).numpy() == image).all()
    assert "of the pixels of masks have no class" in " ".join(understanding.notes)


def test_flat_colours_become_classes_and_that_is_said() -> None:
    colours = np.array([(0, 0, 0), (200, 0, 0), (0, 0, 200)], np.uint8)
    understanding = inspected(pairs(change=lambda values: colours[values]))
    assert understanding.classes == ("#000000", "#0000c8", "#c80000")
    assert "each of their 3 colours became a class" in " ".join(understanding.findings)


def test_masks_of_0_and_255_alone_are_two_classes() -> None:
    understanding = inspected(pairs(change=lambda values: (values > 0) * 255))
    assert understanding.classes == ("background", "object")
    assert set(understanding.tensors["labels"].unique().tolist()) == {0, 1}


def test_masks_are_cut_and_scaled_as_their_images() -> None:
    files = {}
    for number in range(12):
        values = np.zeros((20, 30), np.uint8)
        values[:, 10 + number :] = 1
        files |= {f"images/{number}.png": png(values * 255), f"masks/{number}.png": png(values)}
    understanding = inspected(files)
    images, masks = understanding.tensors["inputs"][:, 0], understanding.tensors["labels"]
    assert ((images > 127) == (masks == 1)).float().mean() > 0.98


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"data/masks/3.png": png(mask(3, 17))}, '\"data/masks/3.png\" has 17 × 17 pixels, and its image 16 × 16'),
        ({"data/masks/3.png": picture(9)}, '\"data/masks/3.png\" has 256 colours, as a photo or a smoothed mask has'),
        ({"data/masks/3.png": png(mask(3), form="JPEG")}, '\"data/masks/3.png\" is a JPEG, whose compression changes'),
        ({"data/masks/3.png": b"nothing"}, '\"data/masks/3.png\" is not an image that can be read'),
        ({"data/masks/4.png": png(mask(4)[:-1])}, '\"data/masks/4.png\" has 16 × 15 pixels, and its image 16 × 16'),
        ({"data/masks/13.png": png(mask(3))}, '\"data/masks/13.png\" has no image of the same name'),
        ({"data/classes.txt": b"ground\ncat\n"}, "has the value 2, and classes.txt names 2 classes, 0 to 1"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_listed_with_its_reason(change: Files, sentence: str) -> None:
    files = pairs() | change
    if "data/classes.txt" in change:
        files |= {f"data/masks/{number}.png": png(np.minimum(mask(number), 1)) for number in range(12) if number != 3}
        files["data/masks/3.png"] = png(mask(2) * 2)
    understanding = inspected(files)
    assert sentence in " ".join(one.reason for one in understanding.left_out)
    assert understanding.obstacle
    assert not inspected(files, leave_out=True).obstacle


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        (pairs(3), "it has 3 different images with masks"),
        (pairs(change=np.zeros_like), "its masks have one class alone"),
        ({"images/1.png": picture(1), "masks/2.png": png(mask(1))}, "has no mask of the same name, and no other image"),
    ],
)
def test_what_is_no_segmentation_is_refused(files: Files, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        inspected(files)


def test_images_without_a_mask_are_training_images_without_a_label() -> None:
    files = pairs() | {f"data/images/{number}.png": picture(number) for number in range(12, 20)}
    understanding = inspected(files)
    assert understanding.obstacle == ""
    assert understanding.headline == "ZIP archive of images and masks: 20 images with masks, 3 classes."
    assert "of the pixels" not in " ".join(understanding.findings)
    assert "8 of the images have no mask. They are training images without labels" in " ".join(understanding.findings)
    lacks_label = (understanding.tensors["labels"] == 255).flatten(1).all(1)
    assert understanding.tensors["splits"][lacks_label].tolist() == [0] * 8
    assert sum(counts[0] for counts in understanding.counts.values()) == 12


def test_a_copy_of_a_held_out_image_without_a_mask_is_taken_out() -> None:
    files = pairs() | {f"data/images/copy {number}.png": picture(number) for number in range(12)}
    understanding = inspected(files)
    held_out = int((understanding.tensors["splits"] > 0).sum())
    assert (understanding.across, len(understanding.tensors["inputs"])) == (held_out, 24 - held_out)


def test_a_test_image_without_a_mask_is_listed() -> None:
    files: Files = {}
    for number, split in enumerate(["train"] * 8 + ["test"] * 5):
        files |= {f"{split}/images/{number}.png": picture(number), f"{split}/masks/{number}.png": png(mask(number))}
    files |= {"train/images/20.png": picture(20), "test/images/21.png": picture(21)}
    assert reasons(files) == [
        '"test/images/21.png" has no mask of the same name, which test images need: add one.'
    ]  # fmt: skip


def test_given_folders_are_the_splits_and_names_name_the_classes() -> None:
    files = {"classes.txt": b"ground\ncat\ndog\n"}
    for number, split in enumerate(["train"] * 8 + ["val"] * 3 + ["test"] * 3):
        files |= {f"{split}/images/{number}.png": picture(number), f"{split}/masks/{number}.png": png(mask(number))}
    understanding = inspected(files)
    assert understanding.classes == ("ground", "cat", "dog")
    assert understanding.tensors["splits"].bincount().tolist() == [8, 3, 3]


@pytest.mark.slow
def test_networks_learn_own_masks_and_pixels_without_a_class_are_left_out() -> None:
    def change(values: np.ndarray) -> np.ndarray:
        return np.where(np.arange(16)[:, None] < 2, 255, values)

    upload = uploads.add("mine.zip", packed(pairs(24, change)), pixels=16)
    data = load(Uploaded(id=upload.id))
    assert (data.train.labels[:, :2] == -1).all()
    assert (data.train.labels[:, 2:] >= 0).all()
    settings = {"dataset": "upload", "dataset_id": upload.id, "epochs": "2", "teacher_epochs": "1", "batch_size": "4"}
    (*_, finished) = Trainer(from_flat(settings))
    assert finished.outcome == "completed"  # type: ignore[attr-defined]
    assert all(torch.isfinite(torch.tensor(test["loss"])) for test in finished.test.values())  # type: ignore[attr-defined]


@pytest.mark.slow
@pytest.mark.parametrize("labelled", ["0", "5"])
def test_the_scheme_of_few_labels_learns_from_images_without_a_mask_and_no_other_one_does(labelled: str) -> None:
    files = pairs() | {f"data/images/{number}.png": picture(number) for number in range(12, 20)}
    upload = uploads.add("mine.zip", packed(files), pixels=16)
    settings = {
        "dataset": "upload", "dataset_id": upload.id, "epochs": "1", "teacher_epochs": "1", "batch_size": "4",
        "labelled": labelled,
    }  # fmt: skip
    data = load(Uploaded(id=upload.id))
    seen = {}
    for scheme in ("offline", "unlabelled"):
        config = from_flat(settings | {"scheme": scheme})
        phases = config.scheme.phases(config)
        seen[scheme] = [phase.view.sample(data) for phase in phases]
        (*_, finished) = Trainer(config)
        assert finished.outcome == "completed"  # type: ignore[attr-defined]
    with_masks = int(data.has_label.sum())
    assert (with_masks, len(data.train)) == (8, 16)
    assert [len(rows) for rows, _ in seen["offline"]] == [8, int(labelled) or 8]
    assert [len(rows) for rows, _ in seen["unlabelled"]] == [8, 16]
    assert all(data.has_label[rows].all() for rows, _ in seen["offline"])
    rows, labels = seen["unlabelled"][1]
    assert rows.sort().values.tolist() == list(range(16))
    assert int((labels >= 0).flatten(1).any(1).sum()) == (int(labelled) or 8)
