"""Imagenette, ten easily separated classes of ImageNet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch

from kd_core.base.options import integer
from kd_core.datasets import Data
from kd_core.datasets._downloaded import DownloadedDataset, Resource, torchvision_datasets
from kd_core.datasets._images import REMEDY, read_images
from kd_core.datasets._splits import check_memory, with_validation
from kd_core.files.download import RemoteFile
from kd_core.files.limits import SMALLEST

SIDE = 160  # pixels of the short side, of the smallest of the three versions


@dataclass(frozen=True)
class Imagenette(DownloadedDataset):
    title: ClassVar[str] = "Imagenette"
    summary: ClassVar[str] = "13,394 photographs of ten easy classes of ImageNet: a church, a tench, a golf ball."
    source: ClassVar[str] = (
        "Howard, 2019 (second version), from ImageNet; fast.ai's store on Amazon, the version of 160 pixels"
    )
    licence: ClassVar[str] = "ImageNet's terms for the images (research and teaching); the repository is Apache-2.0"
    recommended: ClassVar[Mapping[str, str]] = {
        "teacher": "cnn",
        "teacher_width": "32",
        "teacher_depth": "4",
        "teacher_epochs": "5",
        "student": "cnn",
        "student_width": "8",
        "student_depth": "4",
        "labelled": "200",
        "epochs": "40",
    }

    download_bytes: ClassVar[int] = 98_948_031
    required_paths: ClassVar[tuple[str, ...]] = ("imagenette2-160",)

    pixels: int = integer(64, SMALLEST, SIDE, "Side of the square that is cut out of the middle of each image.", step=8)

    def resources(self) -> Sequence[Resource]:
        url, md5 = torchvision_datasets().Imagenette._ARCHIVES["160px"]
        return [Resource("imagenette2-160", RemoteFile("imagenette2-160.tgz", (url,), md5))]

    def read(self, folder: Path) -> Data:
        """Read the official splits, the validation split as test split."""
        with self.translate_read_errors():
            splits = [
                torchvision_datasets().Imagenette(folder, split=split, size="160px") for split in ("train", "val")
            ]
        check_memory(sum(len(split) for split in splits), (3, self.pixels, self.pixels), REMEDY)
        parts = [
            (
                read_images([Path(path) for path, _ in split._samples], self.pixels),
                torch.tensor([label for _, label in split._samples]),
            )
            for split in splits
        ]
        return with_validation(tuple(names[0] for names in splits[0].classes), *parts, remedy=REMEDY)
