"""What the relatives of MNIST share: grey images of 28 × 28 pixels in four files of one format."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from kd_core.datasets import Data
from kd_core.datasets._downloaded import Fetched, Piece, published
from kd_core.datasets._splits import with_validation
from kd_core.files.download import Remote

NAMES = tuple(f"{split}-{kind}-ubyte" for split in ("train", "t10k") for kind in ("images-idx3", "labels-idx1"))


class Idx(Fetched):
    """``kind`` is the name of torchvision's class, and of the folder in which it looks for its files."""

    kind: ClassVar[str]
    classes: ClassVar[tuple[str, ...]] = tuple("0123456789")
    mirrors: ClassVar[tuple[str, ...]] = ()  # besides those that torchvision knows
    fill: ClassVar[float] = 1.0  # of what is written; 0 for pictures of things

    def pieces(self) -> Sequence[Piece]:
        known = self.reader
        hosts = (*known.mirrors, *self.mirrors)
        return [
            Piece(
                f"{self.kind}/raw/{name.removesuffix('.gz')}", Remote(name, tuple(host + name for host in hosts), md5)
            )
            for name, md5 in known.resources
        ]

    @property
    def reader(self) -> Any:
        """torchvision's class."""
        return getattr(published(), self.kind)

    def read(self, folder: Path) -> Data:
        with self.reading():
            train, test = (self.reader(folder, train=is_train) for is_train in (True, False))
        parts = ((split.data.unsqueeze(1), split.targets) for split in (train, test))
        return with_validation(self.classes, *parts, fill=self.fill)


def four_files(kind: str) -> tuple[str, ...]:
    """Where torchvision looks for them."""
    return tuple(f"{kind}/raw/{name}" for name in NAMES)
