"""Images of any format and size as bytes of one shape."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from torch import Tensor

from kd_core.base.options import shorten
from kd_core.datasets import Data, Split, standardise
from kd_core.datasets._splits import check_memory
from kd_core.datasets.scenes import Scenes
from kd_core.files.uploads import decode
from kd_core.files.uploads.decode import moments
from kd_core.files.uploads.folders.masks import NO_LABEL
from kd_core.tasks.segmentation import Segmentation

IMAGES = {  # settings that suit photographs of one's own
    "teacher": "cnn", "teacher_depth": "3", "student": "cnn", "student_width": "8", "student_depth": "3",
    "batch_size": "32",
}  # fmt: skip
MASKS = {name: text for name, text in Scenes.recommended.items() if name != "labelled"}
REMEDY = "choose fewer pixels, or fewer images"


def masked_images(
    pixels: Tensor, masks: Tensor, parts: Sequence[Tensor], classes: tuple[str, ...], notes: Sequence[str] = ()
) -> Data:
    """Return images (N, C, H, W) with masks (N, H, W), both of bytes, whose three ``parts`` are positions.

    A pixel of :data:`NO_LABEL` has no class. Images are standardised by channel of the training split.
    """
    labels = torch.where(masks == NO_LABEL, -1, masks.long())
    mean, std = moments(pixels[parts[0]])
    train, validation, test = (Split(standardise(pixels[rows], mean, std), labels[rows]) for rows in parts)
    return Data(train, validation, test, classes, mean, std, notes=tuple(notes), task=Segmentation())


def read_image(path: Path, pixels: int, grey: bool = False, name: str = "") -> Tensor:
    """Return one image as bytes (3, pixels, pixels), or (1, pixels, pixels) in ``grey``; see :func:`decode.decode`.

    Raises ValueError with the file's ``name`` if it is no image, incomplete, too large or animated.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{shorten(name or path.name, 80)} cannot be read: remove it.") from error
    square, _ = decode.decode(content, name or path.name, pixels)
    return torch.from_numpy(decode.stack_images([square], "grey" if grey else "colour")[0])


def read_images(paths: Sequence[Path], pixels: int, grey: bool = False, root: Path | None = None) -> Tensor:
    """Return images (N, C, pixels, pixels) as bytes, read in parallel. Raises ValueError naming the first bad one.

    ``root`` is left out of the names; without it a name is the file's alone.
    """
    check_memory(len(paths), (1 if grey else 3, pixels, pixels), REMEDY)
    stacked = torch.empty(len(paths), 1 if grey else 3, pixels, pixels, dtype=torch.uint8)

    def read(index: int) -> None:
        path = paths[index]
        stacked[index] = read_image(path, pixels, grey, str(path.relative_to(root)) if root else "")

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as readers:
        for future in [readers.submit(read, index) for index in range(len(paths))]:
            try:
                future.result()
            except BaseException:
                readers.shutdown(wait=False, cancel_futures=True)
                raise
    return stacked
