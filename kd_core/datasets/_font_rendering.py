"""Distance fields of a font's characters, and distorted grey images drawn from them.

A distance field holds the signed distance of every pixel to the nearest edge of the character, positive inside (Green,
"Improved alpha-tested magnification for vector textures and special effects", SIGGRAPH courses 2007). Stroke weight
and softness of an image are then a sum and a quotient, whatever the distortion of its coordinates.

The unit of length is half the side of an image, as in ``grid_sample``; y points down.
"""

from __future__ import annotations

import functools

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont, features
from torch import Tensor
from torch.nn import functional as F

FILL = 20 / 28  # fraction of an image that the longer side of an undistorted character takes, as in MNIST
CANVAS, LONGER, POOL = 144, 96, 3  # pixels: a character is drawn with LONGER on CANVAS, and the field averaged by POOL
MAX_DISTANCE = 0.25  # larger ones are clamped; more than weight and softness reach
NODES = 4  # along each side, of the grid of random displacements
NOWHERE = "\U0010ffff"  # in no font, so it is drawn as a missing character

# Largest distortions at deformation 1, and ranges that do not depend on it. 1/14 is a pixel of 28.
TURN, SCALE, ASPECT, SLANT, SHIFT, BEND = 0.6, 0.35, 0.35, 0.6, 4 / 14, 4 / 14  # radians, logarithms, shear, lengths
WEIGHT = (-0.5 / 14, 0.8 / 14)  # added on both sides of a stroke that is 2.7/14 wide
SOFTNESS = (0.8 / 14, 2.4 / 14)  # width of the edge between paper and ink
INK = (0.6, 1.0)
GRAIN = 0.5  # standard deviation of the grain at noise 1
FACTORS = 9  # random numbers that an image takes beside its displacements and its grain


def has_fonts() -> bool:
    """Return whether Pillow was built with FreeType, which draws its font at any size."""
    return bool(features.check("freetype2"))


@functools.lru_cache(maxsize=1024)
def is_drawable(character: str) -> bool:
    """Return whether the font has the character and draws any ink. Needs :func:`has_fonts`."""
    if not character.isprintable():  # a surrogate or a control character
        return False
    ink, missing = _draw(character, 64), _draw(NOWHERE, 64)
    return bool(ink.size) and not np.array_equal(ink, missing)


def _draw(character: str, size: int) -> np.ndarray:
    """Return a mask (h, w) of the character's ink, cropped to its bounds, at ``size`` pixels per em."""
    font = ImageFont.load_default(size=size)
    left, top, right, bottom = (round(side) for side in font.getbbox(character))
    image = Image.new("L", (max(1, right - left) + 4, max(1, bottom - top) + 4))
    ImageDraw.Draw(image).text((2 - left, 2 - top), character, fill=255, font=font)
    ink: np.ndarray = np.asarray(image) > 127
    rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] if len(rows) else ink[:0, :0]


@functools.lru_cache(maxsize=8)
def fields(characters: str) -> Tensor:
    """Return distance fields (K, 1, 48, 48), each character centred with its longer side over two thirds.

    The tensor is cached and must not be written into.
    """
    # Slow to import, and needed by this data set alone.
    from scipy.ndimage import distance_transform_edt

    distances = []
    for character in characters:
        longer = max(_draw(character, 100).shape)
        ink = _draw(character, round(100 * LONGER / longer))
        rows, columns = ((CANVAS - side) // 2 for side in ink.shape)
        page = np.zeros((CANVAS, CANVAS), dtype=bool)
        page[rows : rows + ink.shape[0], columns : columns + ink.shape[1]] = ink
        distances.append(distance_transform_edt(page) - distance_transform_edt(~page))
    fields = torch.from_numpy(np.stack(distances)).float()[:, None] * (2 * FILL / LONGER)
    return F.avg_pool2d(fields.clamp(-MAX_DISTANCE, MAX_DISTANCE), POOL)


def render_distorted(
    tiles: Tensor, labels: Tensor, generator: torch.Generator, *, side: int, deformation: float, noise: float
) -> Tensor:
    """Draw images (N, 1, side, side) of bytes, each of the character ``tiles[label]`` with its own distortion.

    Displacements as in Simard et al., "Best practices for convolutional neural networks", ICDAR 2003, section 2.
    """
    count = len(labels)
    random = torch.rand(count, FACTORS + 2 * NODES**2, generator=generator)
    factors = random[:, :FACTORS, None, None].unbind(1)  # tensors (N, 1, 1)
    turn, scale, aspect, slant, right, down = (
        (2 * number - 1) * (deformation * largest)
        for number, largest in zip(factors[:6], (TURN, SCALE, ASPECT, SLANT, SHIFT, SHIFT), strict=True)
    )
    weight, softness, darkness = (
        low + number * (high - low) for number, (low, high) in zip(factors[6:], (WEIGHT, SOFTNESS, INK), strict=True)
    )
    coarse = (2 * random[:, FACTORS:] - 1).reshape(count, 2, NODES, NODES) * (deformation * BEND)
    bend = F.interpolate(coarse, (side, side), mode="bicubic", align_corners=True)
    # Map each pixel back to the upright character by shift, rotation, slant, scale and bend. Elementwise sums and
    # products, because a matrix product may round differently with another number of threads.
    cosine, sine, wide, high = turn.cos(), turn.sin(), (-scale - aspect).exp(), (aspect - scale).exp()
    pixels = (torch.arange(side) + 0.5) * (2 / side) - 1
    x, y = pixels[None, None, :] - right, pixels[None, :, None] - down
    turned_x, turned_y = cosine * x + sine * y, cosine * y - sine * x
    grid = torch.stack([(turned_x - slant * turned_y) * wide + bend[:, 0], turned_y * high + bend[:, 1]], dim=-1)
    grid *= LONGER / CANVAS / FILL  # a tile shows more around its character than an image does
    distance = F.grid_sample(tiles[labels], grid, mode="bilinear", padding_mode="border", align_corners=False)
    ink = distance[:, 0].mul_(scale.exp()).add_(weight).div_(softness).add_(0.5).clamp_(0, 1).mul_(darkness)
    if noise:
        ink.add_(torch.randn(ink.shape, generator=generator), alpha=noise * GRAIN).clamp_(0, 1)
    return ink.mul_(255).round_().to(torch.uint8)[:, None]
