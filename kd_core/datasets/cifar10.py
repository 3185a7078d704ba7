"""CIFAR-10, colour photographs of ten classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from kd_core.datasets._cifar import Cifar


@dataclass(frozen=True)
class Cifar10(Cifar):
    title: ClassVar[str] = "CIFAR-10"
    summary: ClassVar[str] = "60,000 small photographs of ten kinds of animals and vehicles, 32 × 32 pixels in colour."
    source: ClassVar[str] = "Krizhevsky, Nair & Hinton, 2009; the University of Toronto"
    recommended: ClassVar[Mapping[str, str]] = {
        "teacher": "cnn",
        "teacher_width": "32",
        "teacher_depth": "3",
        "teacher_epochs": "5",
        "teacher_batch_size": "128",
        "student": "cnn",
        "student_width": "8",
        "student_depth": "3",
        "labelled": "1000",
        "epochs": "40",
    }

    torchvision_name: ClassVar[str] = "CIFAR10"
    download_bytes: ClassVar[int] = 170_498_071
    required_paths: ClassVar[tuple[str, ...]] = ("cifar-10-batches-py",)
