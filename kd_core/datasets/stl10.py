"""STL-10, few labelled photographs of 96 × 96 pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from kd_core.base.options import integer
from kd_core.datasets import Data
from kd_core.datasets._downloaded import DownloadedDataset, Resource, torchvision_datasets
from kd_core.datasets._splits import check_memory, with_validation
from kd_core.files.download import RemoteFile

SIDE = 96  # pixels, as published
FOLDER = "stl10_binary"


@dataclass(frozen=True)
class Stl10(DownloadedDataset):
    title: ClassVar[str] = "STL-10"
    summary: ClassVar[str] = (
        "13,000 photographs of ten kinds of animals and vehicles, 96 × 96 pixels in colour, few to learn from."
    )
    source: ClassVar[str] = (
        "Coates, Lee & Ng, 2011, from ImageNet; Stanford University (its 100,000 images without labels are left out)"
    )
    licence: ClassVar[str] = "not stated by the authors; the images come from ImageNet"
    recommended: ClassVar[Mapping[str, str]] = {
        "teacher": "cnn",
        "teacher_width": "16",
        "teacher_depth": "4",
        "teacher_epochs": "10",
        "student": "cnn",
        "student_width": "8",
        "student_depth": "4",
        "labelled": "200",
        "epochs": "40",
    }

    download_bytes: ClassVar[int] = 2_640_397_119
    required_paths: ClassVar[tuple[str, ...]] = (FOLDER,)

    pixels: int = integer(SIDE, 16, SIDE, "Side of each image; 96 as published, 48 trains four times as fast.", step=8)

    def resources(self) -> Sequence[Resource]:
        cls = torchvision_datasets().STL10
        remote = RemoteFile(cls.filename, (cls.url,), cls.tgz_md5)
        is_labelled = lambda name: PurePosixPath(name).name != "unlabeled_X.bin"  # noqa: E731  2.8 GB that are not used
        return [Resource(FOLDER, remote, keep=is_labelled)]

    def read(self, folder: Path) -> Data:
        cls = torchvision_datasets().STL10

        class Labelled(cls):  # type: ignore[misc, valid-type]
            train_list = cls.train_list[:2]  # without the unlabelled images, so that they are not checked

        with self.translate_read_errors():
            splits = [Labelled(folder, split=split) for split in ("train", "test")]
            classes = tuple(splits[0].classes)
        remedy = "choose fewer pixels"
        check_memory(sum(len(split) for split in splits), (3, self.pixels, self.pixels), remedy)
        parts = [
            (self._resized(torch.from_numpy(split.data)), torch.from_numpy(split.labels).long()) for split in splits
        ]
        return with_validation(classes, *parts, remedy=remedy)

    def _resized(self, images: Tensor) -> Tensor:
        """Resize bytes (N, 3, 96, 96) in chunks, since all of them as floats would take gigabytes."""
        if self.pixels == SIDE:
            return images
        size = (self.pixels, self.pixels)
        resized = (
            F.interpolate(chunk.float(), size, mode="bilinear", antialias=True) for chunk in torch.split(images, 256)
        )
        return torch.cat([chunk.round().clamp(0, 255).to(torch.uint8) for chunk in resized])
