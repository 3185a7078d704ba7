"""What the two CIFAR data sets share: 32 × 32 pixels in three colours, pickled, in one archive."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch

from kd_core.datasets import Data
from kd_core.datasets._downloaded import DownloadedDataset, Resource, torchvision_datasets
from kd_core.datasets._splits import with_validation
from kd_core.files.download import RemoteFile


class Cifar(DownloadedDataset):
    """``torchvision_name`` is the name of torchvision's class, which checks each file before it is unpickled."""

    torchvision_name: ClassVar[str]
    licence: ClassVar[str] = "not stated by the authors"

    @property
    def torchvision_class(self) -> Any:
        """torchvision's class."""
        return getattr(torchvision_datasets(), self.torchvision_name)

    def resources(self) -> Sequence[Resource]:
        known = self.torchvision_class
        return [Resource(known.base_folder, RemoteFile(known.filename, (known.url,), known.tgz_md5))]

    def read(self, folder: Path) -> Data:
        with self.translate_read_errors():
            splits = [self.torchvision_class(folder, train=is_train) for is_train in (True, False)]
        parts = [(torch.from_numpy(split.data).permute(0, 3, 1, 2), torch.tensor(split.targets)) for split in splits]
        classes = tuple(name.replace("_", " ") for name in splits[0].classes)
        return with_validation(classes, *parts)
