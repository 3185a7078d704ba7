"""CIFAR format with 32 × 32 pixels in colour, pickled batches in one archive."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch

from kd_core.datasets import Data
from kd_core.datasets._downloaded import DownloadedDataset, Resource, torchvision_datasets
from kd_core.datasets._splits import validation_code, with_validation
from kd_core.files.download import RemoteFile


class Cifar(DownloadedDataset):
    """Base class of the CIFAR data sets; torchvision's class checks each file before it is unpickled."""

    torchvision_name: ClassVar[str]  # of the class in torchvision.datasets
    licence: ClassVar[str] = "not stated by the authors"

    @property
    def torchvision_class(self) -> Any:
        """Class in torchvision.datasets."""
        return getattr(torchvision_datasets(), self.torchvision_name)

    def resources(self) -> Sequence[Resource]:
        cls = self.torchvision_class
        return [Resource(cls.base_folder, RemoteFile(cls.filename, (cls.url,), cls.tgz_md5))]

    def code(self) -> str:
        lines = f"""
from torchvision import datasets

splits = [datasets.{self.torchvision_name}("data", train=is_train, download=True) for is_train in (True, False)]
(pixels, labels), (test_pixels, test_labels) = (
    (torch.from_numpy(split.data).permute(0, 3, 1, 2), torch.tensor(split.targets)) for split in splits
)
"""
        return validation_code(self.title, lines, 'tuple(name.replace("_", " ") for name in splits[0].classes)')

    def read(self, folder: Path) -> Data:
        with self.translate_read_errors():
            splits = [self.torchvision_class(folder, train=is_train) for is_train in (True, False)]
        parts = [(torch.from_numpy(split.data).permute(0, 3, 1, 2), torch.tensor(split.targets)) for split in splits]
        classes = tuple(name.replace("_", " ") for name in splits[0].classes)
        return with_validation(classes, *parts)
