"""Examples of a data set as something a browser can show: images as PNG, points as coordinates."""

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

from kd_core.config.label_subset import TrainSubset
from kd_core.datasets import Data, Dataset, Split, load

SHARP = 64  # pixels across at least
THUMB = 32  # pixels of an image's longer side on a sheet


@dataclass(frozen=True)
class Thumbnail:
    """One example: ``src`` is a data URI for an image and None for a point, which has ``x`` and ``y`` instead.

    ``label`` is the true class, ``given`` the one that a network was shown.
    """

    label: int
    given: int
    src: str | None = None
    x: float | None = None
    y: float | None = None


def of_validation(dataset: Dataset, indices: Sequence[int]) -> list[Thumbnail]:
    """These examples of the validation split."""
    data = load(dataset)
    return _pictures(data, data.validation, list(indices))


def of_test(dataset: Dataset, indices: Sequence[int]) -> list[Thumbnail]:
    """These examples of the test split: to be looked at once a run is over."""
    data = load(dataset)
    return _pictures(data, data.test, list(indices))


def labelled_examples(dataset: Dataset, view: TrainSubset, limit: int) -> list[Thumbnail]:
    """The first ``limit`` labelled examples of what a network is shown, each with its true and its given label."""
    data = load(dataset)
    rows, given = view.sample(data)
    kept = (given >= 0).nonzero().flatten()[:limit]
    split = Split(data.train.inputs[rows[kept]], given[kept])
    true = data.train.labels[rows[kept]]
    return [
        Thumbnail(int(label), picture.given, picture.src, picture.x, picture.y)
        for label, picture in zip(true, _pictures(data, split, list(range(len(kept)))), strict=True)
    ]


@dataclass(frozen=True)
class Sheet:
    """Many small images in one PNG, row by row, ``columns`` side by side, each ``width`` by ``height`` pixels."""

    src: str
    columns: int
    width: int
    height: int
    count: int


def sheet(data: Data, inputs: Tensor) -> Sheet:
    """All of these images (N, C, H, W) on one sheet, an image larger than :data:`THUMB` pixels made smaller."""
    pixels = data.pixels(inputs)
    count, _, height, width = pixels.shape
    columns = math.ceil(math.sqrt(count))
    if (shrink := max(height, width) / THUMB) > 1:
        height, width = round(height / shrink), round(width / shrink)
        small = F.interpolate(pixels.float(), (height, width), mode="bilinear", antialias=True)
        pixels = small.round().clamp(0, 255).to(torch.uint8)
    rows = -(-count // columns)
    filled = torch.cat([pixels, pixels.new_zeros(rows * columns - count, *pixels.shape[1:])])
    tiles = filled.reshape(rows, columns, -1, height, width)
    page = tiles.permute(0, 3, 1, 4, 2).reshape(rows * height, columns * width, -1)
    return Sheet(_png(page, zoom=1, is_written=data.fill > 0), columns, width, height, count)


def of_input(data: Data, inputs: Tensor) -> str:
    """One input (1, C, H, W) as a data URI."""
    return _png(data.pixels(inputs)[0].permute(1, 2, 0), is_written=data.fill > 0)


def _pictures(data: Data, split: Split, rows: list[int]) -> list[Thumbnail]:
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
    """Ink on paper: images (H, W, C) of what was written are shown dark on light. ``zoom`` 0 chooses one."""
    array = 255 - pixels.numpy() if is_written else pixels.numpy()
    image = Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array)
    # A browser that smooths what it enlarges cannot blur pixels that are large already.
    zoom = zoom or max(1, SHARP // image.width)
    image = image.resize((image.width * zoom, image.height * zoom), Image.Resampling.NEAREST)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
