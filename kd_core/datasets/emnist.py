"""EMNIST, handwritten letters and digits in the format of MNIST."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from kd_core.base.options import choice
from kd_core.datasets import Data
from kd_core.datasets._downloaded import DownloadedDataset, Resource, torchvision_datasets
from kd_core.datasets._splits import validation_code, with_validation
from kd_core.files.download import RemoteFile

SPLITS = ("balanced", "letters", "digits", "mnist", "bymerge", "byclass")
MIRROR = "https://www.itl.nist.gov/iaui/vip/cs_links/EMNIST/gzip.zip"  # of the same office


@dataclass(frozen=True)
class Emnist(DownloadedDataset):
    title: ClassVar[str] = "EMNIST"
    summary: ClassVar[str] = (
        "Handwritten letters and digits, up to 814,255 of them in 62 classes, 28 × 28 grey pixels each."
    )
    source: ClassVar[str] = "Cohen, Afshar, Tapson & van Schaik, 2017, from NIST Special Database 19; NIST"
    licence: ClassVar[str] = "public, from NIST; no licence stated"
    recommended: ClassVar[Mapping[str, str]] = {
        "labelled": "1000",
        "epochs": "40",
        "teacher_epochs": "2",
        "teacher_batch_size": "128",
    }

    download_bytes: ClassVar[int] = 561_753_746
    required_paths: ClassVar[tuple[str, ...]] = ("EMNIST/raw",)

    split: str = choice(
        "balanced", SPLITS,
        "Balanced: 47 classes, 131,600 images. Letters: 26, upper and lower case together, 145,600. Digits: 280,000. "
        "Mnist: 70,000 digits. Bymerge and byclass: all 814,255 in 47 and in 62 classes, of very different sizes.",
        label="Part of EMNIST",
    )  # fmt: skip

    def resources(self) -> Sequence[Resource]:
        cls = torchvision_datasets().EMNIST
        remote = RemoteFile("emnist-gzip.zip", (cls.url, MIRROR), cls.md5)
        is_format = lambda name: name.endswith("-ubyte.gz")  # noqa: E731
        return [Resource("EMNIST/raw", remote, inside="gzip", keep=is_format)]

    def code(self) -> str:
        first = int(self.split == "letters")
        source = f'datasets.EMNIST("data", split="{self.split}", train=is_train, download=True)'
        lines = f"""
from torchvision import datasets

splits = [{source} for is_train in (True, False)]
# The images are transposed in the files, and letters are counted from 1.
(pixels, labels), (test_pixels, test_labels) = (
    (split.data.mT.unsqueeze(1), split.targets - {first}) for split in splits
)
"""
        return validation_code(self.title, lines, f"tuple(splits[0].classes[{first}:])")

    def read(self, folder: Path) -> Data:
        with self.translate_read_errors():
            splits = [
                torchvision_datasets().EMNIST(folder, split=self.split, train=is_train) for is_train in (True, False)
            ]
        # The images are transposed in the files, and letters are counted from 1.
        first = int(self.split == "letters")
        parts = [(split.data.mT.unsqueeze(1), split.targets - first) for split in splits]
        # The authors fitted each character into 28 × 28 pixels with a border of 2.
        classes = tuple(splits[0].classes[first:])
        return with_validation(classes, *parts, remedy="choose a smaller part, such as balanced", fill=24 / 28)
