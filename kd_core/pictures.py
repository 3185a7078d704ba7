"""Examples of a data set as something a browser can show: images as PNG, points as coordinates."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from kd_core.datasets import Data, Dataset, Split, load
from kd_core.views import Labels

SHARP = 64  # pixels across at least


@dataclass(frozen=True)
class Picture:
    """One example: ``src`` is a data URI for an image and None for a point, which has ``x`` and ``y`` instead.

    ``label`` is the true class, ``given`` the one that a network was shown.
    """

    label: int
    given: int
    src: str | None = None
    x: float | None = None
    y: float | None = None


def of_validation(dataset: Dataset, indices: Sequence[int]) -> list[Picture]:
    """These examples of the validation split."""
    data = load(dataset)
    return _pictures(data, data.validation, list(indices))


def shown(dataset: Dataset, labels: Labels, seed: int, limit: int) -> list[Picture]:
    """The first ``limit`` examples of what a network is shown, each with its true and its given label."""
    data = load(dataset)
    view = labels.apply(data, seed)
    true = labels.with_values(wrong=0.0).apply(data, seed).labels
    rows = list(range(min(limit, len(view))))
    return [
        Picture(int(true[row]), picture.given, picture.src, picture.x, picture.y)
        for row, picture in zip(rows, _pictures(data, view, rows), strict=True)
    ]


def _pictures(data: Data, split: Split, rows: list[int]) -> list[Picture]:
    labels = split.labels[rows].tolist()
    if data.is_planar:
        points = split.inputs[rows].tolist()
        return [
            Picture(label, label, x=round(x, 3), y=round(y, 3)) for label, (x, y) in zip(labels, points, strict=True)
        ]
    pixels = data.pixels(split.inputs[rows])
    return [
        Picture(label, label, src=_png(image)) for label, image in zip(labels, pixels.permute(0, 2, 3, 1), strict=True)
    ]


def _png(pixels: object) -> str:
    """Ink on paper: grey images are shown dark on light, as they were written."""
    array = pixels.numpy()  # type: ignore[attr-defined]
    image = Image.fromarray(255 - array[:, :, 0]) if array.shape[2] == 1 else Image.fromarray(array)
    zoom = max(1, SHARP // image.width)  # so that a browser which smooths what it enlarges cannot blur the pixels
    image = image.resize((image.width * zoom, image.height * zoom), Image.Resampling.NEAREST)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
