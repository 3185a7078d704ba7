"""CIFAR-100, colour photographs of a hundred classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from kd_core.datasets._cifar import Cifar


@dataclass(frozen=True)
class Cifar100(Cifar):
    title: ClassVar[str] = "CIFAR-100"
    summary: ClassVar[str] = (
        "60,000 small photographs of a hundred classes, 32 × 32 pixels in colour: the default benchmark of "
        "distillation papers."
    )
    source: ClassVar[str] = "Krizhevsky, Nair & Hinton, 2009; the University of Toronto"
    recommended: ClassVar[Mapping[str, str]] = {
        "teacher": "cnn",
        "teacher_width": "32",
        "teacher_depth": "3",
        "teacher_epochs": "10",
        "teacher_batch_size": "128",
        "student": "cnn",
        "student_width": "16",
        "student_depth": "3",
        "labelled": "0",
        "epochs": "5",
        "batch_size": "128",
    }

    torchvision_name: ClassVar[str] = "CIFAR100"
    download_bytes: ClassVar[int] = 169_001_437
    required_paths: ClassVar[tuple[str, ...]] = ("cifar-100-python",)
