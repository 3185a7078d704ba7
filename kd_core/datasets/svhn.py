"""SVHN, house numbers photographed from the street."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch

from kd_core.datasets import Data
from kd_core.datasets._downloaded import DownloadedDataset, Resource, torchvision_datasets
from kd_core.datasets._splits import validation_code, with_validation
from kd_core.files.download import RemoteFile


@dataclass(frozen=True)
class Svhn(DownloadedDataset):
    title: ClassVar[str] = "SVHN"
    summary: ClassVar[str] = (
        "99,289 digits from photographs of house numbers, 32 × 32 pixels in colour, neighbours visible."
    )
    source: ClassVar[str] = "Netzer et al., 2011, from Google Street View; Stanford University"
    licence: ClassVar[str] = "non-commercial use only"
    recommended: ClassVar[Mapping[str, str]] = {
        "teacher": "cnn",
        "teacher_width": "16",
        "teacher_depth": "3",
        "teacher_epochs": "3",
        "teacher_batch_size": "128",
        "student": "cnn",
        "student_width": "8",
        "student_depth": "3",
        "labelled": "1000",
        "epochs": "40",
    }

    download_bytes: ClassVar[int] = 246_316_178
    required_paths: ClassVar[tuple[str, ...]] = ("train_32x32.mat", "test_32x32.mat")

    def resources(self) -> Sequence[Resource]:
        listed = (torchvision_datasets().SVHN.split_list[split] for split in ("train", "test"))
        return [Resource(name, RemoteFile(name, (url,), md5)) for url, name, md5 in listed]

    def code(self) -> str:
        lines = """
from torchvision import datasets

splits = [datasets.SVHN("data", split=split, download=True) for split in ("train", "test")]
(pixels, labels), (test_pixels, test_labels) = (
    (torch.from_numpy(split.data), torch.from_numpy(split.labels)) for split in splits
)
"""
        return validation_code(self.title, lines, 'tuple("0123456789")')

    def read(self, folder: Path) -> Data:
        with self.translate_read_errors():
            splits = [torchvision_datasets().SVHN(folder, split=split) for split in ("train", "test")]
        parts = [(torch.from_numpy(split.data), torch.from_numpy(split.labels)) for split in splits]
        return with_validation(tuple("0123456789"), *parts)
