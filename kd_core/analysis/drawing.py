"""A drawing as text, and as the input that a network sees.

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
PEN = 6  # cells
FINE = 4  # pixels per cell while drawing
LARGEST_ZOOM = 3.0  # a dot stays small

Stroke = list[tuple[int, int]]


def network_input(data: Data, drawing: str) -> Tensor:
    """``drawing`` as one input (1, *shape), prepared like the data's own. Raises ValueError for what is no drawing."""
    if data.is_planar:
        return torch.tensor([point(drawing)])
    if said := drawing_refusal(data):
        raise ValueError(said)
    ink = fitted(raster(strokes(drawing)), data.shape[1:], data.fill or 1.0)
    return ((ink - data.mean[0]) / data.std[0])[None, None]


def drawing_refusal(data: Data) -> str:
    """Why these networks cannot be shown a drawing; empty if they can."""
    coloured = not data.is_planar and data.shape[0] != 1
    return "These networks see colours: choose one of their images, a drawing is grey." if coloured else ""


def strokes(drawing: str) -> list[Stroke]:
    """The points of every stroke. Raises ValueError."""
    found = []
    for part in drawing.split("."):
        numbers = [ALPHABET.find(character) for character in part]
        if not part or len(part) % 2 or min(numbers) < 0:
            raise ValueError(f"drawing = “{shorten(drawing)}”: this is no drawing. Clear it and draw again.")
        found.append(list(zip(numbers[::2], numbers[1::2], strict=True)))
    return found


def point(drawing: str) -> tuple[float, float]:
    """The coordinates of a point. Raises ValueError."""
    try:
        x, y = map(float, drawing.split(","))
    except ValueError:
        x = y = math.nan
    if not (abs(x) < 1000 and abs(y) < 1000):
        raise ValueError(f"drawing = “{shorten(drawing)}”: this is no point. Click into the plane.")
    return x, y


def raster(drawn: list[Stroke]) -> Tensor:
    """Ink (256, 256) from 0 to 1, drawn with a round pen."""
    image = Image.new("L", (GRID * FINE, GRID * FINE))
    pencil = ImageDraw.Draw(image)
    radius = PEN * FINE / 2
    for stroke in drawn:
        points = [((x + 0.5) * FINE, (y + 0.5) * FINE) for x, y in stroke]
        pencil.line(points, fill=255, width=PEN * FINE)
        for x, y in points:  # round ends and joints
            pencil.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    return torch.from_numpy(np.asarray(image, dtype=np.float32) / 255)


def fitted(ink: Tensor, size: tuple[int, ...], fill: float) -> Tensor:
    """``ink`` moved to the centre and scaled, its shape kept, so that the longer side takes the share ``fill`` of an
    image (H, W) = ``size``: as the data's own characters were prepared."""
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
