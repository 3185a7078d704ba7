"""Kuzushiji-MNIST, Japanese characters in the format of MNIST."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from kd_core.datasets._mnist_format import MnistFormat, four_files


@dataclass(frozen=True)
class Kmnist(MnistFormat):
    title: ClassVar[str] = "Kuzushiji-MNIST"
    summary: ClassVar[str] = (
        "70,000 cursive Japanese characters from old books, 28 × 28 grey pixels each, ten syllables."
    )
    source: ClassVar[str] = (
        "Clanuwat et al., 2018, from the Kuzushiji data set; the Center for Open Data in the Humanities"
    )
    licence: ClassVar[str] = "CC BY-SA 4.0"
    recommended: ClassVar[Mapping[str, str]] = {
        "labelled": "200",
        "epochs": "60",
        "teacher_epochs": "5",
        "teacher_batch_size": "128",
    }

    torchvision_name: ClassVar[str] = "KMNIST"
    download_bytes: ClassVar[int] = 21_240_888
    required_paths: ClassVar[tuple[str, ...]] = four_files("KMNIST")
    classes: ClassVar[tuple[str, ...]] = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")
