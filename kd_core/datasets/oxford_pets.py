"""Oxford-IIIT Pets, photographs of cats and dogs with a mask of the animal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from kd_core.base.options import integer
from kd_core.datasets import Data
from kd_core.datasets._downloaded import DownloadedDataset, Resource, torchvision_datasets
from kd_core.datasets._images import MASKS, REMEDY, masked_images, read_images
from kd_core.datasets._splits import HELD_OUT, check_memory, hold_out
from kd_core.files.download import RemoteFile
from kd_core.files.limits import LARGEST
from kd_core.files.uploads import decode
from kd_core.files.uploads.folders.masks import NO_LABEL
from kd_core.tasks import Task
from kd_core.tasks.segmentation import Segmentation

FOLDER = "oxford-iiit-pet"
CLASSES = ("background", "pet")
TRIMAP = {1: 1, 2: 0, 3: NO_LABEL}  # class by value; 3 is the border, which the authors call "not classified"


@dataclass(frozen=True)
class OxfordPets(DownloadedDataset):
    title: ClassVar[str] = "Oxford-IIIT Pets"
    aliases: ClassVar[tuple[str, ...]] = ("Oxford Pets", "OxfordIIITPet")
    summary: ClassVar[str] = (
        "7,349 photographs of cats and dogs; every pixel is pet or background, and their border has no class."
    )
    family: ClassVar[str] = "scenes"
    source: ClassVar[str] = "Parkhi et al., 2012; the University of Oxford"
    licence: ClassVar[str] = "CC BY-SA 4.0"
    recommended: ClassVar[Mapping[str, str]] = MASKS | {"labelled": "50"}

    download_bytes: ClassVar[int] = 791_918_971 + 19_173_078
    required_paths: ClassVar[tuple[str, ...]] = (f"{FOLDER}/images", f"{FOLDER}/annotations")

    pixels: int = integer(
        64, 16, LARGEST, "Side of the square that is cut out of the middle of each image and its mask.", step=16
    )

    @property
    def task(self) -> Task:
        return Segmentation()

    @property
    def loaded_bytes(self) -> int:
        return 20 * self.pixels**2 * 7_349

    def resources(self) -> list[Resource]:
        files = [(url.rpartition("/")[2], url, md5) for url, md5 in torchvision_datasets().OxfordIIITPet._RESOURCES]
        return [
            Resource(f"{FOLDER}/{name.partition('.')[0]}", RemoteFile(name, (url,), md5)) for name, url, md5 in files
        ]

    def read(self, folder: Path) -> Data:
        """Read the official splits, with a tenth of each breed of the training split for validation."""
        with self.translate_read_errors():
            splits = [
                torchvision_datasets().OxfordIIITPet(folder, split=split, target_types="segmentation")
                for split in ("trainval", "test")
            ]
            for path in (path for split in splits for path in (*split._images, *split._segs)):
                path.stat()  # a missing file is an error of the download, not of an image
        count = len(splits[0])
        check_memory(count + len(splits[1]), (4, self.pixels, self.pixels), REMEDY)
        pixels = read_images([path for split in splits for path in split._images], self.pixels)
        masks = torch.cat([self._masks(split) for split in splits])
        rest, held_out = hold_out(torch.tensor(splits[0]._labels), HELD_OUT)
        return masked_images(pixels, masks, (rest, held_out, torch.arange(count, len(pixels))), CLASSES)

    def _masks(self, split: Any) -> Tensor:
        """Return the trimaps (N, S, S) as class numbers. Raises ValueError for one with another value than 1, 2, 3."""
        masks = torch.empty(len(split), self.pixels, self.pixels, dtype=torch.uint8)
        for row, path in enumerate(split._segs):
            trimap = decode.resize_mask(decode.decode_mask(path.read_bytes(), path.name), self.pixels)
            if not set(trimap.ravel().tolist()) <= TRIMAP.keys():
                raise ValueError(f"{path.name} has values that are not 1, 2 or 3: it is no trimap of this data set.")
            for value, number in TRIMAP.items():
                masks[row][torch.from_numpy(trimap == value)] = number
        return masks
