"""Flowers-102, photographs of 102 kinds of flowers with ten training images each."""

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
from kd_core.datasets._splits import assemble, check_memory
from kd_core.files.download import RemoteFile
from kd_core.files.limits import LARGEST, SMALLEST

FOLDER = "flowers-102"
FILES = {"image": "jpg", "label": "imagelabels.mat", "setid": "setid.mat"}


@dataclass(frozen=True)
class Flowers102(DownloadedDataset):
    title: ClassVar[str] = "Flowers-102"
    summary: ClassVar[str] = (
        "8,189 photographs of 102 kinds of flowers, ten of each to learn from: fine differences, few examples."
    )
    source: ClassVar[str] = "Nilsback & Zisserman, 2008; the University of Oxford"
    licence: ClassVar[str] = "not stated by the authors"
    recommended: ClassVar[Mapping[str, str]] = {
        "teacher": "cnn",
        "teacher_width": "32",
        "teacher_depth": "4",
        "teacher_epochs": "40",
        "student": "cnn",
        "student_width": "8",
        "student_depth": "4",
        "labelled": "0",
        "epochs": "40",
    }

    download_bytes: ClassVar[int] = 344_878_000
    required_paths: ClassVar[tuple[str, ...]] = tuple(f"{FOLDER}/{name}" for name in FILES.values())

    pixels: int = integer(
        64, SMALLEST, LARGEST, "Side of the square that is cut out of the middle of each image.", step=8
    )

    def resources(self) -> Sequence[Resource]:
        cls = torchvision_datasets().Flowers102
        return [
            Resource(f"{FOLDER}/{FILES[key]}", RemoteFile(name, (cls._download_url_prefix + name,), md5))
            for key, (name, md5) in cls._file_dict.items()
        ]

    def read(self, folder: Path) -> Data:
        """Read the official splits of 1,020 train, 1,020 validation and 6,149 test images."""
        with self.translate_read_errors():
            splits = [torchvision_datasets().Flowers102(folder, split=split) for split in ("train", "val", "test")]
            for path in (path for split in splits for path in split._image_files):
                path.stat()  # a missing file is an error of the download, not of an image
        check_memory(sum(len(split) for split in splits), (3, self.pixels, self.pixels), REMEDY)
        parts = [(read_images(split._image_files, self.pixels), torch.tensor(split._labels)) for split in splits]
        return assemble(tuple(torchvision_datasets().Flowers102.classes), *parts, remedy=REMEDY)
