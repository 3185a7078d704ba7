"""Examples of a data set for the browser, as PNG data URIs, sprite sheets or coordinates."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from kd_core.base.events import Generated
from kd_core.config.label_subset import TrainSubset
from kd_core.datasets import Data, Dataset, Split, load

SHARP = 64  # pixels across at least
THUMB = 32  # pixels of the longer side of an image on a sprite sheet


@dataclass(frozen=True)
class Thumbnail:
    """One example, with a data URI ``src`` for an image, or ``x`` and ``y`` for a point.

    ``label`` is the true class, ``train_label`` the label that a network was trained with.
    """

    label: int
    train_label: int
    src: str | None = None
    x: float | None = None
    y: float | None = None


def of_validation(dataset: Dataset, indices: Sequence[int]) -> list[Thumbnail]:
    """Return these examples of the validation set."""
    data = load(dataset)
    return _thumbnails(data, data.validation, list(indices))


def of_test(dataset: Dataset, indices: Sequence[int]) -> list[Thumbnail]:
    """Return these examples of the test set, to be shown once a run is over."""
    data = load(dataset)
    return _thumbnails(data, data.test, list(indices))


def labelled_examples(dataset: Dataset, view: TrainSubset, limit: int) -> list[Thumbnail]:
    """Return the first ``limit`` labelled training examples, each with its true label and the one to train with."""
    data = load(dataset)
    rows, train_labels = view.sample(data)
    labelled = (train_labels >= 0).nonzero().flatten()[:limit]
    split = Split(data.train.inputs[rows[labelled]], train_labels[labelled])
    true = data.train.labels[rows[labelled]]
    return [
        Thumbnail(int(label), example.train_label, example.src, example.x, example.y)
        for label, example in zip(true, _thumbnails(data, split, list(range(len(labelled)))), strict=True)
    ]


@dataclass(frozen=True)
class Sheet:
    """Sprite sheet of ``count`` images in one PNG, row by row, each ``width`` by ``height`` pixels."""

    src: str
    columns: int
    width: int
    height: int
    count: int


def sheet(data: Data, inputs: Tensor) -> Sheet:
    """Return images (N, C, H, W) on one sprite sheet, with images larger than :data:`THUMB` pixels scaled down."""
    pixels = data.pixels(inputs)
    count, _, height, width = pixels.shape
    columns = math.ceil(math.sqrt(count))
    if (shrink := max(height, width) / THUMB) > 1:
        height, width = round(height / shrink), round(width / shrink)
        small = F.interpolate(pixels.float(), (height, width), mode="bilinear", antialias=True)
        pixels = small.round().clamp(0, 255).to(torch.uint8)
    rows = -(-count // columns)
    padded = torch.cat([pixels, pixels.new_zeros(rows * columns - count, *pixels.shape[1:])])
    tiles = padded.reshape(rows, columns, -1, height, width)
    page = tiles.permute(0, 3, 1, 4, 2).reshape(rows * height, columns * width, -1)
    return Sheet(_png(page, zoom=1, is_written=data.fill > 0), columns, width, height, count)


def of_input(data: Data, inputs: Tensor) -> str:
    """Return one input (1, C, H, W) as a data URI."""
    return _png(data.pixels(inputs)[0].permute(1, 2, 0), is_written=data.fill > 0)


def of_generated(data: Data, event: Generated, role: str) -> list[tuple[str, str]]:
    """Return the images that a network is trained on as data URIs, each with the class that it is made for."""
    pixels = torch.frombuffer(bytearray(base64.b64decode(event.images[role])), dtype=torch.uint8)
    images = pixels.reshape(-1, *event.shape).permute(0, 2, 3, 1)
    return [
        (_png(image, is_written=data.fill > 0), data.classes[label])
        for image, label in zip(images, event.classes[role], strict=True)
    ]


def _thumbnails(data: Data, split: Split, rows: list[int]) -> list[Thumbnail]:
    labels = split.labels[rows].tolist()
    if data.is_planar:
        points = split.inputs[rows].tolist()
        return [
            Thumbnail(label, label, x=round(x, 3), y=round(y, 3)) for label, (x, y) in zip(labels, points, strict=True)
        ]
    pixels = data.pixels(split.inputs[rows])
    return [
        Thumbnail(label, label, src=_png(image, is_written=data.fill > 0))
        for label, image in zip(labels, pixels.permute(0, 2, 3, 1), strict=True)
    ]


def _png(pixels: Tensor, zoom: int = 0, *, is_written: bool) -> str:
    """Return an image (H, W, C) as a data URI; a written one is drawn dark on light. ``zoom`` 0 chooses a factor."""
    array = 255 - pixels.numpy() if is_written else pixels.numpy()
    image = Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array)
    # Browsers smooth enlarged images, which does not blur pixels that are large already.
    zoom = zoom or max(1, SHARP // image.width)
    image = image.resize((image.width * zoom, image.height * zoom), Image.Resampling.NEAREST)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
