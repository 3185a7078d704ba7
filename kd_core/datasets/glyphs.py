"""Characters of a font, distorted at random, in any number.

The default distortion separates networks: an MLP of 64 units has a test accuracy of 86 % after 10 epochs of all 6,000
training images, a CNN 8×2 has 97 % after 6.
"""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from kd_core.base.options import choice, integer, number, shorten, text
from kd_core.base.seeds import generator
from kd_core.datasets import Data, Dataset, Split, _font_rendering, standardise

MAX_HELD_OUT = 2000  # images in each of validation and test split
CHUNK = 500  # images drawn at once
STANDARDISED_BY = 1000  # training images that give mean and standard deviation


@dataclass(frozen=True)
class Glyphs(Dataset):
    title: ClassVar[str] = "Printed characters"
    summary: ClassVar[str] = "Digits and letters of a font, rotated, bent and noisy; O, Q and 0 look alike."
    family: ClassVar[str] = "images"
    source: ClassVar[str] = "drawn here from Aileron Regular (Sora Sagano), the font that comes with Pillow"
    licence: ClassVar[str] = "none needed; the font says “No Rights Reserved”"
    # Seeds 0 to 4: baseline 50.5 %, student +17.8 points (17.2 to 18.5), nearly all of it because the teacher corrects
    # the label noise. Without noise it is +0.6, with all 6,000 labels as well 0.0 ± 1.3.
    recommended: ClassVar[Mapping[str, str]] = {
        "teacher_width": "8",
        "teacher_epochs": "6",
        "labelled": "720",
        "wrong": "0.2",
        "epochs": "40",
    }

    classes: str = text(
        string.digits + string.ascii_uppercase, 100, "The characters to be told apart, each a class, without spaces."
    )
    count: int = integer(
        6000, 100, 200_000, "Images of the training split; a larger number adds images and changes none.", step=1000,
        label="Training images",
    )  # fmt: skip
    pixels: str = choice("28", ("28", "32"), "Height and width of an image.")
    deformation: float = number(
        0.4, 0.0, 1.0, "How strongly characters are rotated, slanted, stretched, shifted and bent.", step=0.05
    )
    noise: float = number(
        0.25,
        0.0,
        1.0,
        "Pixel noise; at 1 its standard deviation is half the contrast.",
        step=0.05,
    )
    draw: int = integer(0, 0, 9999, "Seed of the images; another number gives other images.", label="Draw of images")

    def __post_init__(self) -> None:
        super().__post_init__()
        if remedy := self._remedy():
            raise ValueError(f'classes = "{shorten(self.classes)}": {remedy}.')

    @property
    def loaded_bytes(self) -> int:
        return 4 * int(self.pixels) ** 2 * (self.count + 2 * MAX_HELD_OUT)

    def _remedy(self) -> str:
        characters = self.classes
        if any(character.isspace() for character in characters):
            return "write the characters one after the other, without spaces"
        if len(characters) < 2:
            return "choose at least two characters"
        if repeated := [character for index, character in enumerate(characters) if character in characters[:index]]:
            return f"name every character once; {repeated[0]} is repeated"
        if not _font_rendering.has_fonts():
            return ""  # load() raises, and other characters would not help
        missing = [character for character in characters if not _font_rendering.is_drawable(character)]
        return f"the font cannot draw {''.join(missing)}; leave that out" if missing else ""

    def load(self) -> Data:
        """Draw ``count`` train and up to 2,000 validation and test images each, balanced to within one.

        Inputs (1, H, W), light ink on a dark ground, standardised by the first 1,000 training images. The same options
        give the same bytes with any number of threads; another release of torch or FreeType, or a processor with other
        vector instructions, may round a few pixels to the next grey. Raises ValueError where Pillow was built without
        FreeType.
        """
        if not _font_rendering.has_fonts():
            raise ValueError("Drawing characters needs Pillow with FreeType: install Pillow with pip, as it is there.")
        held_out = min(MAX_HELD_OUT, self.count)
        counts = {"train": self.count, "validation": held_out, "test": held_out}
        tiles = _font_rendering.fields(self.classes)
        with _workers() as pool:
            splits = {part: self._draw(part, count, tiles, pool) for part, count in counts.items()}
        mean, std = _moments(splits["train"][0][:STANDARDISED_BY])
        train, validation, test = (Split(standardise(images, mean, std), labels) for images, labels in splits.values())
        return Data(train, validation, test, tuple(self.classes), mean, std, _font_rendering.FILL)

    def _draw(self, part: str, count: int, tiles: Tensor, pool: Executor) -> tuple[Tensor, Tensor]:
        """Draw bytes (N, 1, H, W) and labels (N,); every chunk has its own random stream, so that more change none."""
        side = int(self.pixels)
        labels = _balanced(count, len(tiles), generator(self.draw, "glyphs", part, "labels"))
        images = torch.empty(count, 1, side, side, dtype=torch.uint8)

        def draw(start: int) -> None:
            padded = F.pad(labels[start : start + CHUNK], (0, max(0, start + CHUNK - count)))  # always a whole chunk
            random = generator(self.draw, "glyphs", part, "images", start)
            chunk = _font_rendering.render_distorted(
                tiles, padded, random, side=side, deformation=self.deformation, noise=self.noise
            )
            images[start : start + CHUNK] = chunk[: count - start]

        list(pool.map(draw, range(0, count, CHUNK)))
        return images, labels


@contextmanager
def _workers() -> Iterator[Executor]:
    """Yield a pool of as many threads as torch would use, each with one torch thread.

    Torch's threads would wait for each other after every operation, which takes ten times as long on a busy machine.
    """
    threads = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield pool
    finally:
        torch.set_num_threads(threads)  # the default of threads that start later


def _balanced(count: int, classes: int, random: torch.Generator) -> Tensor:
    """Return labels (count,), in blocks of one of every class in random order."""
    rounds = -(-count // classes)
    return torch.rand(rounds, classes, generator=random).argsort(dim=1, stable=True).flatten()[:count]


def _moments(images: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation of one channel scaled to [0, 1], by counting, so that no order matters."""
    counts = torch.bincount(images.flatten(), minlength=256).tolist()
    total = sum(counts)
    mean = sum(level * frequency for level, frequency in enumerate(counts)) / total
    square = sum(level**2 * frequency for level, frequency in enumerate(counts)) / total
    return (mean / 255,), ((square - mean**2) ** 0.5 / 255,)
