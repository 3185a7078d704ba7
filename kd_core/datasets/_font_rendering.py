"""Characters of a font as distance fields, and distance fields as crooked grey images.

A distance field says of every place how far it is from the nearest edge of the character, inside positive (Green,
"Improved alpha-tested magnification for vector textures and special effects", SIGGRAPH courses 2007). Stroke weight
and softness of an image are then one sum and one quotient, whatever happened to its coordinates before.

The unit of length is half the side of an image, as in ``grid_sample``; y points down.
"""

from __future__ import annotations

import functools

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont, features
from torch import Tensor
from torch.nn import functional as F

FILL = 20 / 28  # share of an image that the longer side of an undistorted character takes, as in MNIST
CANVAS, LONGER, POOL = 144, 96, 3  # pixels: a character is drawn with LONGER on CANVAS, and the field averaged by POOL
FARTHEST = 0.25  # distances are not told apart beyond this; more than weight and softness ever reach
NODES = 4  # along each side, of the grid of random displacements
NOWHERE = "\U0010ffff"  # no font has this character: it is drawn as the sign for a missing one

# What deformation 1 does at most, and what varies always. 1/14 is a pixel of 28.
TURN, SCALE, ASPECT, SLANT, SHIFT, BEND = 0.6, 0.35, 0.35, 0.6, 4 / 14, 4 / 14  # radians, logarithms, slope, lengths
WEIGHT = (-0.5 / 14, 0.8 / 14)  # added on both sides of a stroke that is 2.7/14 wide
SOFTNESS = (0.8 / 14, 2.4 / 14)  # width of the edge between paper and ink
INK = (0.6, 1.0)
GRAIN = 0.5  # standard deviation of the grain at noise 1
FACTORS = 9  # random numbers that an image takes beside its displacements and its grain


def has_fonts() -> bool:
    """Whether Pillow was built with FreeType, which draws its font at any size."""
    return bool(features.check("freetype2"))


@functools.lru_cache(maxsize=1024)
def is_drawable(character: str) -> bool:
    """Whether the font has it, and it leaves ink. Needs :func:`has_fonts`."""
    if not character.isprintable():  # half a character of UTF-16, a control character
        return False
    drawn, missing = _drawn(character, 64), _drawn(NOWHERE, 64)
    return bool(drawn.size) and not np.array_equal(drawn, missing)


def _drawn(character: str, size: int) -> np.ndarray:
    """Where its ink is (h, w), cut to its bounds, at ``size`` pixels per em."""
    font = ImageFont.load_default(size=size)
    left, top, right, bottom = (round(side) for side in font.getbbox(character))
    image = Image.new("L", (max(1, right - left) + 4, max(1, bottom - top) + 4))
    ImageDraw.Draw(image).text((2 - left, 2 - top), character, fill=255, font=font)
    ink: np.ndarray = np.asarray(image) > 127
    rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] if len(rows) else ink[:0, :0]


@functools.lru_cache(maxsize=8)
def fields(characters: str) -> Tensor:
    """Distance fields (K, 1, 48, 48), each character in the middle with its longer side over two thirds. Not to be
    written into."""
    # Imported here because it takes a while, and only this data set needs it.
    from scipy.ndimage import distance_transform_edt

    found = []
    for character in characters:
        longer = max(_drawn(character, 100).shape)
        ink = _drawn(character, round(100 * LONGER / longer))
        rows, columns = ((CANVAS - side) // 2 for side in ink.shape)
        page = np.zeros((CANVAS, CANVAS), dtype=bool)
        page[rows : rows + ink.shape[0], columns : columns + ink.shape[1]] = ink
        found.append(distance_transform_edt(page) - distance_transform_edt(~page))
    distances = torch.from_numpy(np.stack(found)).float()[:, None] * (2 * FILL / LONGER)
    return F.avg_pool2d(distances.clamp(-FARTHEST, FARTHEST), POOL)


def render_distorted(
    tiles: Tensor, labels: Tensor, chance: torch.Generator, *, side: int, deformation: float, noise: float
) -> Tensor:
    """Images (N, 1, side, side) of bytes, each of the character ``tiles[label]`` in its own way.

    Displacements as in Simard et al., "Best practices for convolutional neural networks", ICDAR 2003, section 2.
    """
    count = len(labels)
    chances = torch.rand(count, FACTORS + 2 * NODES**2, generator=chance)
    even = chances[:, :FACTORS, None, None].unbind(1)  # each (N, 1, 1)
    turn, scale, aspect, slant, right, down = (
        (2 * number - 1) * (deformation * most)
        for number, most in zip(even[:6], (TURN, SCALE, ASPECT, SLANT, SHIFT, SHIFT), strict=True)
    )
    weight, softness, darkness = (
        low + number * (high - low) for number, (low, high) in zip(even[6:], (WEIGHT, SOFTNESS, INK), strict=True)
    )
    coarse = (2 * chances[:, FACTORS:] - 1).reshape(count, 2, NODES, NODES) * (deformation * BEND)
    bend = F.interpolate(coarse, (side, side), mode="bicubic", align_corners=True)
    # Each place of the image is taken back to the upright character: shifted, turned, slanted, scaled, bent. Only sums
    # and products of single elements, because a matrix product may round differently with another number of threads.
    cosine, sine, wide, high = turn.cos(), turn.sin(), (-scale - aspect).exp(), (aspect - scale).exp()
    places = (torch.arange(side) + 0.5) * (2 / side) - 1
    x, y = places[None, None, :] - right, places[None, :, None] - down
    turned_x, turned_y = cosine * x + sine * y, cosine * y - sine * x
    back = torch.stack([(turned_x - slant * turned_y) * wide + bend[:, 0], turned_y * high + bend[:, 1]], dim=-1)
    back *= LONGER / CANVAS / FILL  # a tile shows more around its character than an image does
    distance = F.grid_sample(tiles[labels], back, mode="bilinear", padding_mode="border", align_corners=False)
    ink = distance[:, 0].mul_(scale.exp()).add_(weight).div_(softness).add_(0.5).clamp_(0, 1).mul_(darkness)
    if noise:
        ink.add_(torch.randn(ink.shape, generator=chance), alpha=noise * GRAIN).clamp_(0, 1)
    return ink.mul_(255).round_().to(torch.uint8)[:, None]
