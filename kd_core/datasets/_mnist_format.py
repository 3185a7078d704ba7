"""MNIST format with 28 × 28 grey pixels in four IDX files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from kd_core.datasets import Data
from kd_core.datasets._downloaded import DownloadedDataset, Resource, torchvision_datasets
from kd_core.datasets._splits import validation_code, with_validation
from kd_core.files.download import RemoteFile

NAMES = tuple(f"{split}-{kind}-ubyte" for split in ("train", "t10k") for kind in ("images-idx3", "labels-idx1"))


class MnistFormat(DownloadedDataset):
    """Base class of data sets in the format of MNIST."""

    torchvision_name: ClassVar[str]  # of the class in torchvision.datasets, and of its folder
    classes: ClassVar[tuple[str, ...]] = tuple("0123456789")
    mirrors: ClassVar[tuple[str, ...]] = ()  # in addition to torchvision's
    fill: ClassVar[float] = 1.0  # of written characters; 0 for other images

    def resources(self) -> Sequence[Resource]:
        cls = self.torchvision_class
        hosts = (*cls.mirrors, *self.mirrors)
        return [
            Resource(
                f"{self.torchvision_name}/raw/{name.removesuffix('.gz')}",
                RemoteFile(name, tuple(host + name for host in hosts), md5),
            )
            for name, md5 in cls.resources
        ]

    @property
    def torchvision_class(self) -> Any:
        """Class in torchvision.datasets."""
        return getattr(torchvision_datasets(), self.torchvision_name)

    def code(self) -> str:
        source = f'datasets.{self.torchvision_name}("data", train=is_train, download=True)'
        lines = f"""
from torchvision import datasets

train, test = ({source} for is_train in (True, False))
pixels, labels = train.data.unsqueeze(1), train.targets
test_pixels, test_labels = test.data.unsqueeze(1), test.targets
"""
        return validation_code(self.title, lines, repr(self.classes))

    def read(self, folder: Path) -> Data:
        with self.translate_read_errors():
            train, test = (self.torchvision_class(folder, train=is_train) for is_train in (True, False))
        parts = ((split.data.unsqueeze(1), split.targets) for split in (train, test))
        return with_validation(self.classes, *parts, fill=self.fill)


def four_files(kind: str) -> tuple[str, ...]:
    """Return the paths at which torchvision expects the four files."""
    return tuple(f"{kind}/raw/{name}" for name in NAMES)
