"""Sources of data, one file each.

A data set gives three splits that never change. What a student is shown of the training split (few labels, wrong
labels, a missing class) is decided in :mod:`kd_core.config.label_subset`, for every data set alike.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from kd_core.base.namespaces import class_names, plugin_class
from kd_core.base.paths import NotAvailableError
from kd_core.base.registry import Plugin

__all__ = ["Data", "Dataset", "NotAvailableError", "ProgressCallback", "Split", "forget", "load", "standardise"]


@dataclass(frozen=True)
class Split:
    """``inputs`` (N, ...) float32, ``labels`` (N,) int64."""

    inputs: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Data:
    """Train to learn, validation to choose, test to judge once at the end."""

    train: Split
    validation: Split
    test: Split
    classes: tuple[str, ...]
    # Of the pixels in [0, 1] that the inputs were made from, channel by channel: pixel = input * std + mean.
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    fill: float = 0.0  # share of an image's longer side that a written character takes; 0 where nothing is written

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one input: (2,) for points, (C, H, W) for standardised images."""
        return tuple(self.train.inputs.shape[1:])

    @property
    def nbytes(self) -> int:
        """What the inputs take in memory."""
        return sum(split.inputs.nbytes for split in (self.train, self.validation, self.test))

    @property
    def is_planar(self) -> bool:
        """Two numbers per example: decision surfaces can be drawn."""
        return self.shape == (2,)

    @property
    def noun(self) -> str:
        """What one example is called on screen, in the plural."""
        return "points" if self.is_planar else "images"

    def pixels(self, inputs: Tensor) -> Tensor:
        """Standardised images (N, C, H, W) as bytes, 0 black and 255 white."""
        mean, std = (torch.tensor(of).to(inputs).reshape(-1, 1, 1) for of in (self.mean, self.std))
        return ((inputs * std + mean) * 255).round().clamp(0, 255).to(torch.uint8)


def standardise(pixels: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Images (N, C, H, W) of bytes as inputs: float32, of these ``mean`` and ``std`` by channel. See Data.pixels."""
    inputs = pixels.float().div_(255)
    return inputs.sub_(torch.tensor(mean).reshape(-1, 1, 1)).div_(torch.tensor(std).reshape(-1, 1, 1))


class Dataset(Plugin):
    """Base of all data sets."""

    source: ClassVar[str]  # where the data come from
    licence: ClassVar[str]  # under what terms, in a few words
    recommended: ClassVar[Mapping[str, str]] = {}  # flat settings under which distillation is worth watching

    def recommended_settings(self) -> Mapping[str, str]:
        """:attr:`recommended`, unless the options change it."""
        return self.recommended

    def load(self) -> Data:
        """The three splits; the same ones at every call. Raises NotHereError, and ValueError for what is no data."""
        raise NotImplementedError

    @property
    def download_size(self) -> int:
        """Bytes to be fetched from the network before the first use; 0 if none are."""
        return 0

    def is_available(self) -> bool:
        """Whether :meth:`load` finds all that it needs on this machine."""
        return True

    def download(self, report: ProgressCallback) -> None:
        """Fetches what is missing, and says how far it is. Raises ValueError with a sentence where it cannot; what was
        fetched so far stays, and is not fetched again."""


ProgressCallback = Callable[[str, int, int], None]  # what is being fetched, bytes so far, bytes in all


REMEMBERED = 2_000_000_000  # bytes of data sets
_remembered: OrderedDict[Dataset, Data] = OrderedDict()  # the one asked for last at the end
_loading, _remembering = threading.Lock(), threading.Lock()


def load(dataset: Dataset) -> Data:
    """:meth:`Dataset.load`, remembered as far as :data:`REMEMBERED` goes. Callers must not write into the tensors."""
    with _remembering:
        found = _remembered.get(dataset)
    if found is None:
        with _loading, torch.device("cpu"):  # somebody may ask first while counting on the meta device
            with _remembering:
                found = _remembered.get(dataset)  # loaded by another thread meanwhile
            found = found or dataset.load()
    with _remembering:
        _remembered[dataset] = found
        _remembered.move_to_end(dataset)
        while len(_remembered) > 1 and sum(data.nbytes for data in _remembered.values()) > REMEMBERED:
            _remembered.popitem(last=False)
    return found


def forget(dataset: Dataset) -> None:
    """Its files have changed: the next :func:`load` reads them again."""
    with _remembering:
        _remembered.pop(dataset, None)


def __getattr__(name: str) -> Any:
    return plugin_class("datasets", name)


def __dir__() -> list[str]:
    return [*globals(), *class_names("datasets")]
