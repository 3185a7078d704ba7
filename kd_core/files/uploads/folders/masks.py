"""Images with masks of their pixels as what is stored of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
import torch
from torch import Tensor

from kd_core.files import text as text_files
from kd_core.files.limits import MAX_DECODED_PIXELS, MIN_CLASS_EXAMPLES, RefusedError, quoted
from kd_core.files.uploads import decode, splits
from kd_core.files.uploads.folders.image_list import NOT_READABLE, READABLE, is_litter, split_of
from kd_core.files.uploads.images import Source, check_stored
from kd_core.files.uploads.splits import Draw, draw_splits
from kd_core.files.uploads.understanding import SPLITS, Choices, LeftOut, Understanding, refuse_without
from kd_core.files.uploads.zip_images import DamagedError

IMAGES, MASKS = "images", "masks"  # names of folders
FOLDERS = {IMAGES, MASKS}
NO_LABEL = 255  # value of a mask for pixels without a class
MOST_VALUES = 64  # of all masks; more are those of a photo, or of a smoothed mask
NAMES = "classes.txt"  # of the values of masks, one per line


@dataclass(frozen=True)
class MaskedImage:
    """Image with its mask, if it has one, and its split."""

    path: str
    mask: str  # empty for none
    split: int | None  # position in SPLITS; None if the folders give no splits


def has_masks(paths: Iterable[str]) -> bool:
    """Return whether some files are in a folder "images" and others in a folder "masks"."""
    folders = {folder.lower() for path in paths if not is_litter(path) for folder in path.split("/")[:-1]}
    return folders >= FOLDERS


def list_masked_images(paths: Iterable[str]) -> tuple[list[MaskedImage], list[LeftOut], list[str]]:
    """Return images with the mask of the same name, what is left out, and what is passed over.

    Names are compared without their endings. A folder train, val or test around or inside of both folders is a split.
    Training images may be without a mask.

    Raises:
        RefusedError: There is no pair.
    """
    sides: dict[str, dict[tuple[str, ...], str]] = {IMAGES: {}, MASKS: {}}
    passed_over, left_out = [], []
    for path in sorted(paths):
        pure = PurePosixPath(path)
        side = next((part.lower() for part in pure.parts[:-1] if part.lower() in sides), "")
        if pure.name.lower() == NAMES:
            continue
        if is_litter(path) or not side or pure.suffix.lower() not in (*READABLE, *NOT_READABLE):
            passed_over.append(path)
        elif pure.suffix.lower() in NOT_READABLE:
            left_out.append(LeftOut(path, f"{quoted(path)} cannot be read: save it as PNG."))
        else:
            key = (*(part for part in pure.parts[:-1] if part.lower() != side), pure.stem)
            sides[side][key] = path
    pairs = []
    for key, path in sides[IMAGES].items():
        mask, split = sides[MASKS].get(key, ""), split_of(path)
        if not mask and split not in (None, splits.TRAIN):
            reason = f"{quoted(path)} has no mask of the same name, which {SPLITS[split]} images need: add one."
            left_out.append(LeftOut(path, reason))
        else:
            pairs.append(MaskedImage(path, mask, split))
    for key, path in sides[MASKS].items():
        if key not in sides[IMAGES]:
            left_out.append(LeftOut(path, f"{quoted(path)} has no image of the same name: add it, or take it out."))
    if not any(pair.mask for pair in pairs):
        without = f"{quoted(pairs[0].path)} has no mask of the same name, and no other image has one: rename the masks."
        raise RefusedError(without if pairs else "its folders images and masks are empty.")
    return pairs, left_out, passed_over


def understand(
    name: str,
    source: Source,
    choices: Choices,
    check: Callable[[int, int, str], None] | None = None,
    draw: Draw = draw_splits,
) -> Understanding:
    """Return images with masks as they would be stored.

    Images without a mask become training images without a label, and so do those whose pixels all have no class.
    Values of masks are numbers of classes, which the file :data:`NAMES` may name; colours become classes in the order
    of their codes. Tensors are ``inputs`` (N, C, S, S), ``labels`` (N, S, S) of bytes, :data:`NO_LABEL` for none, and
    ``splits`` (N,). ``counts`` are the images of a split in which a class occurs.

    Raises:
        RefusedError: No pair can be read, there are too few, or they are beyond a limit.
    """
    pairs, left_out, passed_over = list_masked_images(source.files)
    left_out += source.left_out
    side = choices.pixels
    (check or check_stored)(len(pairs), side, choices.colour)
    names, decoded = _value_names(source), 0
    squares: list[decode.Pixels] = []
    masks: list[np.ndarray] = []
    used: list[MaskedImage] = []
    for pair in pairs:
        try:
            square, mask, size = _read_pair(source, pair, side, names)
        except RefusedError as error:
            left_out.append(LeftOut(pair.mask or pair.path, str(error)))
            continue
        decoded += size
        if check is None and decoded > MAX_DECODED_PIXELS:
            raise RefusedError("its images have too many pixels in all: make them smaller.")
        squares.append(square)
        masks.append(mask)
        used.append(pair)
    refuse_without(len(used), left_out)
    numbers, classes, notes = _number_values(np.stack(masks), names)
    classes = tuple(dict(choices.names).get(one, one) for one in classes)
    if len(set(classes)) < len(classes):
        raise RefusedError("two classes of its masks have the same name: give each its own.")
    inputs, labels = torch.from_numpy(decode.stack_images(squares, choices.colour)), torch.from_numpy(numbers)
    stated = {pair.split for pair in used}
    stated = set() if None in stated or splits.TRAIN not in stated or len(stated) < 2 else stated
    split = torch.tensor([pair.split if stated else splits.TRAIN for pair in used])
    inputs, labels, split = _without_across(inputs, labels, split)
    has_label = (labels != NO_LABEL).flatten(1).any(1)
    first = splits.first_occurrences(inputs[has_label])
    if (different := len(torch.unique(first))) < MIN_CLASS_EXAMPLES:
        raise RefusedError(f"it has {different} different images with masks: give at least {MIN_CLASS_EXAMPLES}.")
    missing = [number for number in (splits.TEST, splits.VALIDATION) if number not in stated]
    split[has_label] = draw(first, torch.zeros_like(first), missing, split[has_label])
    inputs, labels, split = _without_across(inputs, labels, split)
    if without := len(labels) - len(first):
        notes.append(
            f"{without:,} of the images have no mask. They are training images without labels, from which the scheme "
            "“Few labels, many images” learns (scheme=unlabelled); the other schemes do not use them."
        )
    first = splits.first_occurrences(inputs)
    occurs = torch.stack([(labels == number).flatten(1).any(1) for number in range(len(classes))], 1)
    return Understanding(
        name, f"{source.format.split(' of ')[0]} of images and masks", "masks", choices, left_out=tuple(left_out),
        passed_over=tuple(passed_over), notes=tuple(notes), classes=classes,
        counts={part: tuple(occurs[split == number].sum(0).tolist()) for number, part in enumerate(SPLITS)},
        sizes={part: int((split == number).sum()) for number, part in enumerate(SPLITS)},
        given_splits=tuple(part for number, part in enumerate(SPLITS) if number in stated),
        copies=int((first != torch.arange(len(first))).sum()), across=len(used) - len(inputs),
        tensors={"inputs": inputs, "labels": labels, "splits": split.to(torch.uint8)},
    )  # fmt: skip


def _without_across(inputs: Tensor, labels: Tensor, split: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return images, masks and splits without the copies of images of a split that is nearer to the test."""
    is_kept = ~splits.across_splits(splits.first_occurrences(inputs), split)
    return inputs[is_kept], labels[is_kept], split[is_kept]


def _read_pair(
    source: Source, pair: MaskedImage, side: int, names: Sequence[str]
) -> tuple[decode.Pixels, np.ndarray, int]:
    """Return the square of an image, that of its mask with colours as numbers below 0, and the pixels of the image.

    Without a mask no pixel has a class. Raises RefusedError.
    """
    if not pair.mask:
        square, pixels = decode.decode(source.read(pair.path), pair.path, side)
        return square, np.full((side, side), NO_LABEL), pixels
    image, mask = source.read(pair.path), decode.decode_mask(source.read(pair.mask), pair.mask)
    if mask.shape[:2] != (size := decode.size_of(image, pair.path)):
        raise DamagedError(
            f"{quoted(pair.mask)} has {mask.shape[1]} × {mask.shape[0]} pixels, and its image {size[1]} × {size[0]}: "
            "give both the same size."
        )
    _check_values(mask, names, pair.mask)
    square, pixels = decode.decode(image, pair.path, side)
    codes = mask if mask.ndim == 2 else -1 - mask @ np.array([1 << 16, 1 << 8, 1])
    return square, decode.resize_mask(codes, side), pixels


def _value_names(source: Source) -> list[str]:
    """Return the names of the values of masks, none without a file of names."""
    path = next((path for path in source.files if path.rpartition("/")[2].lower() == NAMES), None)
    if path is None:
        return []
    return [line.strip() for line in text_files.decode(source.read(path))[0].splitlines() if line.strip()]


def _check_values(mask: np.ndarray, names: Sequence[str], path: str) -> None:
    """Raise DamagedError for a mask with too many values, or with one that has no name where there are names."""
    values = np.unique(mask.reshape(-1, *mask.shape[2:]), axis=0)
    if len(values) > MOST_VALUES:
        kind = "colours" if mask.ndim == 3 else "different values"
        raise DamagedError(
            f"{quoted(path)} has {len(values):,} {kind}, as a photo or a smoothed mask has: save it with a palette, or "
            "with the numbers of the classes as grey values."
        )
    if names and mask.ndim == 2 and (unknown := sorted(set(values.tolist()) - set(range(len(names))) - {NO_LABEL})):
        raise DamagedError(
            f"{quoted(path)} has the value {unknown[0]}, and {NAMES} names {len(names)} classes, 0 to "
            f"{len(names) - 1}; {NO_LABEL} is for pixels without a class."
        )


def _number_values(codes: np.ndarray, names: Sequence[str]) -> tuple[np.ndarray, tuple[str, ...], list[str]]:
    """Return masks (N, S, S) of bytes, the names of their classes, and notes, from values and negative colour codes."""
    notes = []
    if (codes < 0).any():
        codes = np.where(codes < 0, codes, -1 - codes * 0x010101)  # a grey mask among coloured ones
        values = sorted(np.unique(codes).tolist(), reverse=True)
        classes = [f"#{-1 - value:06x}" for value in values]
        notes.append(f"Its masks are in colour; each of their {len(values)} colours became a class.")
    else:
        values = np.unique(codes).tolist()
        if names:
            values, classes = list(range(len(names))), list(names)
        elif values == [0, NO_LABEL]:
            classes = ["background", "object"]
            notes.append("Its masks have the values 0 and 255 alone, which were taken as two classes.")
        else:
            values = [value for value in values if value != NO_LABEL]
            classes = [f"class {value}" for value in values]
    if len(values) < 2:
        raise RefusedError("its masks have one class alone: give each pixel the number of its class.")
    if len(values) > MOST_VALUES:
        raise RefusedError(f"its masks have {len(values):,} classes: give at most {MOST_VALUES}.")
    numbers = np.full(codes.shape, NO_LABEL, np.uint8)
    for number, value in enumerate(values):
        numbers[codes == value] = number
    in_masks = numbers[(numbers != NO_LABEL).any((1, 2))]
    if (in_masks == NO_LABEL).any():
        notes.append(f"{(in_masks == NO_LABEL).mean():.1%} of the pixels of masks have no class.")
    return numbers, tuple(classes), notes
