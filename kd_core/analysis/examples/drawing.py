"""Drawings as text, and as network inputs.

An image is drawn as strokes on a grid of 64 × 64 cells. Each point is two characters of the URL-safe base64 alphabet
(x, then y downwards), strokes are separated by dots. A point of a plane is written as its coordinates, "0.53,-1.2".
"""

from __future__ import annotations

import math
import string

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor
from torch.nn import functional as F

from kd_core.base.options import shorten
from kd_core.datasets import Data

ALPHABET = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
GRID = 64
PEN = 6  # width in cells
FINE = 4  # pixels per cell in the raster image
LARGEST_ZOOM = 3.0  # so that a dot stays small

Stroke = list[tuple[int, int]]


def network_input(data: Data, drawing: str) -> Tensor:
    """Return a drawing as one input (1, *shape), prepared like the data set's images.

    Raises ValueError for a text that is no drawing.
    """
    if data.is_planar:
        return torch.tensor([point(drawing)])
    if refusal := drawing_refusal(data):
        raise ValueError(refusal)
    ink = fit(rasterize(strokes(drawing)), data.shape[1:], data.fill or 1.0)
    return ((ink - data.mean[0]) / data.std[0])[None, None]


def drawing_refusal(data: Data) -> str:
    """Return why networks of this data set cannot use a drawing, as a sentence; empty if they can."""
    if data.is_planar or (data.has_images and data.shape[0] == 1):
        return ""
    if data.has_images:
        return "These networks need colour images, and a drawing is grey. Choose an image."
    return f"These networks need {' × '.join(map(str, data.shape))} numbers, which cannot be drawn. Choose an example."


def strokes(drawing: str) -> list[Stroke]:
    """Return the points of every stroke. Raises ValueError."""
    points = []
    for part in drawing.split("."):
        numbers = [ALPHABET.find(character) for character in part]
        if not part or len(part) % 2 or min(numbers) < 0:
            raise ValueError(f"drawing = “{shorten(drawing)}” is no drawing. Clear it and draw again.")
        points.append(list(zip(numbers[::2], numbers[1::2], strict=True)))
    return points


def point(drawing: str) -> tuple[float, float]:
    """Return the coordinates of a point. Raises ValueError."""
    try:
        x, y = map(float, drawing.split(","))
    except ValueError:
        x = y = math.nan
    if not (abs(x) < 1000 and abs(y) < 1000):
        raise ValueError(f"drawing = “{shorten(drawing)}” is no point of the plane. Click into the plane.")
    return x, y


def rasterize(drawing: list[Stroke]) -> Tensor:
    """Return the ink (256, 256) of strokes with a round pen, from 0 to 1."""
    image = Image.new("L", (GRID * FINE, GRID * FINE))
    pencil = ImageDraw.Draw(image)
    radius = PEN * FINE / 2
    for stroke in drawing:
        points = [((x + 0.5) * FINE, (y + 0.5) * FINE) for x, y in stroke]
        pencil.line(points, fill=255, width=PEN * FINE)
        for x, y in points:  # round ends and joints
            pencil.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    return torch.from_numpy(np.asarray(image, dtype=np.float32) / 255)


def fit(ink: Tensor, size: tuple[int, ...], fill: float) -> Tensor:
    """Return the ink centred and scaled to an image (H, W) = ``size``, its aspect ratio kept.

    Its longer side takes the fraction ``fill`` of the image, as that of the data set's characters does.
    """
    rows, columns = ink.any(1).nonzero().flatten(), ink.any(0).nonzero().flatten()
    crop = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    side = len(ink)
    zoom = min(fill * side / max(crop.shape), LARGEST_ZOOM)
    height, width = (max(1, round(zoom * length)) for length in crop.shape)
    scaled = F.interpolate(crop[None, None], (height, width), mode="bilinear", antialias=True)[0, 0]
    page = torch.zeros(side, side)
    top, left = (side - height) // 2, (side - width) // 2
    page[top : top + height, left : left + width] = scaled
    return F.adaptive_avg_pool2d(page[None, None], (size[0], size[1]))[0, 0].clamp(0, 1)
