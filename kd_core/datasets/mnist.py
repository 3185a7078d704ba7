"""MNIST, handwritten digits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from kd_core.datasets._mnist_format import MnistFormat, four_files


@dataclass(frozen=True)
class Mnist(MnistFormat):
    title: ClassVar[str] = "MNIST"
    summary: ClassVar[str] = (
        "70,000 handwritten digits, 28 × 28 grey pixels each: the data of the first distillation paper."
    )
    source: ClassVar[str] = "LeCun, Cortes & Burges, 1998, from scans of NIST; a copy of PyTorch's on Amazon"
    licence: ClassVar[str] = "CC BY-SA 3.0, as is commonly stated; the authors' page names none"
    recommended: ClassVar[Mapping[str, str]] = {
        "labelled": "200",
        "epochs": "60",
        "teacher_epochs": "3",
        "teacher_batch_size": "128",
    }

    torchvision_name: ClassVar[str] = "MNIST"
    download_bytes: ClassVar[int] = 11_594_722
    required_paths: ClassVar[tuple[str, ...]] = four_files("MNIST")
    # The same four files, at the address that TensorFlow's data sets take them from.
    mirrors: ClassVar[tuple[str, ...]] = ("https://storage.googleapis.com/cvdf-datasets/mnist/",)
    fill: ClassVar[float] = 20 / 28  # the authors fitted each digit into 20 × 20 pixels
