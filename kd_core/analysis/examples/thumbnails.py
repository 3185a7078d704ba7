"""Examples of a data set for the browser, as data URIs of pictures, sprite sheets or coordinates."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from kd_core.base.events import Generated
from kd_core.config.label_subset import TrainSubset
from kd_core.datasets import Data, Dataset, Split, load
from kd_core.tasks import CHARACTERS, EXAMPLE, POSITION
from kd_core.tasks.classification import Classification
from kd_core.tasks.text_classification import TextClassification

SHARP = 64  # pixels across at least
LINE, LINES, ENDING = 8, 3, 5  # characters of a line, lines of a picture of a text, characters of its ending
TILE, NO_BREAK, NEXT = 96, "\u00a0", "▁"  # pixels of a picture of a text; characters in it
THUMB = 32  # pixels of the longer side of an image on a sprite sheet


@dataclass(frozen=True)
class Thumbnail:
    """One example, with a data URI ``src`` for an image or a text, or ``x`` and ``y`` for a point.

    ``text`` is the end of a text. ``name`` says which example it is, after the name of its split.

    ``label`` is the true class, ``train_label`` the label that a network was trained with. An example of any number of
    classes has them in ``labels``; without classes both are -1.
    """

    label: int
    train_label: int
    src: str | None = None
    x: float | None = None
    y: float | None = None
    text: str | None = None
    labels: tuple[int, ...] = ()
    name: str = ""


def of_validation(dataset: Dataset, indices: Sequence[int]) -> list[Thumbnail]:
    """Return these examples of the validation set, counted among the rows with a label where examples have several."""
    data = load(dataset)
    return _named_thumbnails(data, data.validation, list(indices))


def of_test(dataset: Dataset, indices: Sequence[int]) -> list[Thumbnail]:
    """Return these examples of the test set, to be shown once a run is over."""
    data = load(dataset)
    return _named_thumbnails(data, data.test, list(indices))


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
    """Sprite sheet of ``count`` images in one picture, row by row, each ``width`` by ``height`` pixels."""

    src: str
    columns: int
    width: int
    height: int
    count: int


def sheet(data: Data, inputs: Tensor) -> Sheet:
    """Return images (N, C, H, W) or texts on one sprite sheet; images larger than :data:`THUMB` pixels are scaled."""
    if data.task.inputs == CHARACTERS:
        columns = math.ceil(math.sqrt(len(inputs)))
        return Sheet(_text_pictures([_lines(data, one) for one in inputs], columns), columns, TILE, TILE, len(inputs))
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
    return Sheet(png(page, zoom=1, is_written=data.fill > 0), columns, width, height, count)


def of_input(data: Data, inputs: Tensor) -> str:
    """Return one input (1, C, H, W) as a data URI."""
    if data.task.inputs == CHARACTERS:
        return _text_pictures([_lines(data, inputs[0])])
    return png(data.pixels(inputs)[0].permute(1, 2, 0), is_written=data.fill > 0)


def of_generated(data: Data, event: Generated, role: str) -> list[tuple[str, str]]:
    """Return the images that a network is trained on as data URIs, each with the class that it is made for."""
    pixels = torch.frombuffer(bytearray(base64.b64decode(event.images[role])), dtype=torch.uint8)
    images = pixels.reshape(-1, *event.shape).permute(0, 2, 3, 1)
    return [
        (png(image, is_written=data.fill > 0), data.classes[label])
        for image, label in zip(images, event.classes[role], strict=True)
    ]


def text_of(data: Data, inputs: Tensor) -> str:
    """Return an input (L,) of characters as text; numbers below 0 stand for none."""
    return data.task.text_of(inputs[None, inputs >= 0], data)[0]


def _named_thumbnails(data: Data, split: Split, rows: list[int]) -> list[Thumbnail]:
    places = rows if data.task.outputs == EXAMPLE else _places(data, split, rows).tolist()
    names = (data.task.row_name(place, data.shape) for place in places)
    return [replace(one, name=name) for one, name in zip(_thumbnails(data, split, rows), names, strict=True)]


def _thumbnails(data: Data, split: Split, rows: list[int]) -> list[Thumbnail]:
    if split.labels.dim() > 1 and data.task.outputs == EXAMPLE:
        return _without_class(data, split, rows)
    if not data.task.has_class_per_example:
        split = _row_split(data, split, rows)
        rows = list(range(len(rows)))
    labels = split.labels[rows].tolist()
    if data.task.inputs == CHARACTERS:
        tiles = [_lines(data, inputs) for inputs in split.inputs[rows]]
        return [
            Thumbnail(label, label, src=_text_pictures([lines]), text=_ending(lines))
            for label, lines in zip(labels, tiles, strict=True)
        ]
    if data.is_planar:
        points = split.inputs[rows].tolist()
        return [
            Thumbnail(label, label, x=round(x, 3), y=round(y, 3)) for label, (x, y) in zip(labels, points, strict=True)
        ]
    pixels = data.pixels(split.inputs[rows])
    return [
        Thumbnail(label, label, src=png(image, is_written=data.fill > 0))
        for label, image in zip(labels, pixels.permute(0, 2, 3, 1), strict=True)
    ]


def _without_class(data: Data, split: Split, rows: list[int]) -> list[Thumbnail]:
    """Return examples that have any number of classes, or numbers in their place."""
    alone = replace(data, task=TextClassification() if data.task.inputs == CHARACTERS else Classification())
    pictures = _thumbnails(alone, Split(split.inputs[rows], torch.full((len(rows),), -1)), list(range(len(rows))))
    if not data.task.has_class_rows:
        return pictures
    labels = [tuple((one == 1).nonzero().flatten().tolist()) for one in split.labels[rows]]
    return [replace(one, labels=classes) for one, classes in zip(pictures, labels, strict=True)]


def _row_split(data: Data, split: Split, rows: list[int]) -> Split:
    """Return the rows with these numbers, counted among those with a label, as examples of their own."""
    places = _places(data, split, rows)
    return Split(data.task.row_inputs(split.inputs, places), data.task.row_labels(split.labels)[places])


def _places(data: Data, split: Split, rows: list[int]) -> Tensor:
    """Return the rows with these numbers, counted among those with a label, as counted among all."""
    index = data.task.labelled_rows(split.labels)
    return torch.arange(len(data.task.row_labels(split.labels)))[index][rows]


def _lines(data: Data, inputs: Tensor) -> list[str]:
    """Return the lines of a small picture of a text.

    They are the beginning of a whole text, and of one that goes on the end before the next character, whose place has
    a mark.
    """
    text, most = text_of(data, inputs), LINE * LINES
    if data.task.outputs == POSITION:
        text = f"{text[1 - most :]}{NEXT}"
    elif len(text) > most:
        text = f"{text[: most - 1]}…"
    return [text[start : start + LINE] for start in range(0, len(text), LINE)]


def _ending(lines: Sequence[str]) -> str:
    """Return a few characters that stand for a text in a list."""
    text = "".join(lines)
    return text[-ENDING - 1 : -1] if text.endswith(NEXT) else text[:ENDING]


def _text_pictures(tiles: Sequence[Sequence[str]], columns: int = 1) -> str:
    """Return texts as tiles of one SVG data URI, dark on light."""
    texts = []
    for place, lines in enumerate(tiles):
        row, column = divmod(place, columns)
        spans = "".join(
            f'<tspan x="{TILE * column + 8}" y="{TILE * row + 22 * number + 28}">{escape(line.replace(" ", NO_BREAK))}'
            "</tspan>"
            for number, line in enumerate(lines)
        )
        texts.append(f"<text>{spans}</text>")
    width, height = TILE * columns, TILE * -(-len(tiles) // columns)
    picture = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'font-family="monospace" font-size="17"><rect width="{width}" height="{height}" fill="#fff"/>'
        f"{''.join(texts)}</svg>"
    )
    return "data:image/svg+xml;base64," + base64.b64encode(picture.encode()).decode()


def png(pixels: Tensor, zoom: int = 0, *, is_written: bool) -> str:
    """Return an image (H, W, C) as a data URI; a written one is drawn dark on light. ``zoom`` 0 chooses a factor."""
    array = 255 - pixels.numpy() if is_written else pixels.numpy()
    image = Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array)
    # Browsers smooth enlarged images, which does not blur pixels that are large already.
    zoom = zoom or max(1, SHARP // image.width)
    image = image.resize((image.width * zoom, image.height * zoom), Image.Resampling.NEAREST)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
