"""Fashion-MNIST, clothes in the format of MNIST."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from kd_core.datasets._mnist_format import MnistFormat, four_files


@dataclass(frozen=True)
class FashionMnist(MnistFormat):
    title: ClassVar[str] = "Fashion-MNIST"
    summary: ClassVar[str] = (
        "70,000 pictures of clothes, 28 × 28 grey pixels each: a shirt is hard to tell from a coat."
    )
    source: ClassVar[str] = (
        "Xiao, Rasul & Vollgraf, 2017, from Zalando's catalogue; the authors' store on Amazon, or GitHub"
    )
    licence: ClassVar[str] = "MIT"
    recommended: ClassVar[Mapping[str, str]] = {
        "labelled": "200",
        "epochs": "60",
        "teacher_epochs": "5",
        "teacher_batch_size": "128",
    }

    torchvision_name: ClassVar[str] = "FashionMNIST"
    fill: ClassVar[float] = 0.0
    download_bytes: ClassVar[int] = 30_878_645
    required_paths: ClassVar[tuple[str, ...]] = four_files("FashionMNIST")
    mirrors: ClassVar[tuple[str, ...]] = (  # the authors' own repository
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    )
    classes: ClassVar[tuple[str, ...]] = (
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    )  # fmt: skip
