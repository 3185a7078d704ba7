"""Import of a user's files as a data set, in two steps.

:func:`inspect` reads a file completely and says what it understood; :func:`keep` stores that. Each upload is stored as
one safetensors file with ``inputs``, images (N, C, H, W) uint8, rows (N, D) float32 or code points (N, L) int32 of
texts, ``labels`` (N,) int64, or (N, K) of several classes or numbers, and ``splits`` (N,) uint8; a running text is
stored as UTF-8. No pickle is ever loaded.
"""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from kd_core.files import text as text_files
from kd_core.files.content_store import ContentStore
from kd_core.files.limits import (
    MAX_RUNNING_BYTES,
    MAX_UPLOAD_BYTES,
    MIN_CLASS_EXAMPLES,
    MIN_RUNNING,
    RefusedError,
    printable,
    quoted,
)
from kd_core.files.uploads import (
    csv_reader,
    decode,
    file_type,
    images,
    splits,
    table_dataset,
    table_formats,
    zip_images,
)
from kd_core.files.uploads.class_names import ClassNames, join_reasons, small_classes
from kd_core.files.uploads.folders import boxes, image_table, masks
from kd_core.files.uploads.folders.annotations import find as find_annotations
from kd_core.files.uploads.splits import Draw
from kd_core.files.uploads.understanding import (
    COLOURS,
    PIXELS,
    REGRESSION,
    RUNNING,
    SPLITS,
    Choices,
    Column,
    Examples,
    LeftOut,
    Understanding,
    form_of,
    target_of,
)

__all__ = ["COLOURS", "PIXELS", "Choices", "Understanding", "Upload", "add", "find", "inspect", "keep", "list_all"]

INPUT_ROLES = ("number", "words")

_store = ContentStore("uploads")


@dataclass(frozen=True)
class Upload:
    """Description of one upload, without its examples."""

    id: str  # 32 hexadecimal digits, a digest of the content
    name: str  # of the file when it was first uploaded
    kind: str  # a key of CONTENT
    classes: tuple[str, ...]  # of a regression the name of the number
    # Examples of each class, the examples that have several or a number, or the characters of a running text.
    counts: tuple[int, ...]
    shape: tuple[int, ...]  # of one input: (C, H, W), (D,) or (L,); empty for a running text
    columns: tuple[Column, ...] = ()  # of a table that became points or rows, with how inputs are made of them

    def __len__(self) -> int:
        return sum(self.counts)

    @property
    def dataset(self) -> str:
        """Name of the data set that reads it."""
        return "own_text" if self.kind == RUNNING else "upload"

    @property
    def inputs(self) -> tuple[Column, ...]:
        """Columns of a table that are inputs, in their order."""
        return tuple(column for column in self.columns if column.role in INPUT_ROLES)


def inspect(name: str, source: bytes | BinaryIO | Path, choices: Choices | None = None) -> Understanding:
    """Read a file, or a folder on this machine, and say what it holds. Nothing is stored.

    Args:
        name: Name of the file.
        source: Its content. A file object must be seekable; it is read from its beginning and not closed.
        choices: What the user has decided; by default nothing.

    Raises:
        ValueError: The file is refused, in one sentence that names it and the place in it.
    """
    choices = choices or Choices()
    file_name = printable(name)[-120:] or "upload"
    try:
        if isinstance(source, Path):
            examples = _read_folders(file_name, images.FolderFiles(source), choices)
        else:
            file = io.BytesIO(source) if isinstance(source, bytes) else source
            if file.seek(0, io.SEEK_END) > MAX_UPLOAD_BYTES:
                raise RefusedError(f"it is larger than {MAX_UPLOAD_BYTES / 1e9:g} GB: give a smaller file.")
            if _is_running(name, file, choices):
                return _understand_running(file_name, file, choices)
            examples = _read(file_name, file, choices)
        return examples if isinstance(examples, Understanding) else understand(file_name, examples, choices)
    except RefusedError as error:
        raise ValueError(f"{file_name}: {error}") from error


def keep(understanding: Understanding) -> Upload:
    """Store what was understood; the same content is stored once.

    Raises:
        ValueError: No task takes such examples, the user has not agreed to leave something out, or the disk is full.
    """
    if understanding.obstacle:
        raise ValueError(f"{understanding.name}: {understanding.obstacle}")
    inputs = understanding.tensors["inputs"]
    is_running = understanding.kind == RUNNING
    counts = [sum(counts) for counts in zip(*understanding.counts.values(), strict=True)]
    if is_running or understanding.sizes:
        counts = [understanding.characters or sum(understanding.sizes.values())]
    metadata = {
        "kind": understanding.kind,
        "classes": json.dumps(understanding.classes),
        "counts": json.dumps(counts),
        "shape": json.dumps(list(inputs.shape[1:])),
    }
    if understanding.columns:
        metadata["columns"] = json.dumps([asdict(column) for column in understanding.columns])
    try:
        key = _store.put(understanding.tensors, metadata, understanding.name)
    except RefusedError as error:
        raise ValueError(f"{understanding.name}: {error}") from error
    upload = find(key)
    assert upload is not None
    return upload


def add(name: str, source: bytes | BinaryIO | Path, **choices: Any) -> Upload:
    """Call :func:`inspect` with these :class:`Choices` and :func:`keep`."""
    return keep(inspect(name, source, Choices(**choices)))


def _is_running(name: str, file: BinaryIO, choices: Choices) -> bool:
    """Return whether a file is read as running text, by choice, or by its name and for being no table."""
    kind = file_type.detect(file)
    if choices.task == "language":
        if kind not in ("text", "json"):
            raise RefusedError("it holds no running text: give a text file, such as one that ends with .txt.")
        return True
    is_free = choices.task == "auto" and choices.kind == "auto" and not choices.label
    is_named = name.lower().endswith(text_files.ENDINGS)
    return is_named and is_free and kind in ("text", "json") and not csv_reader.is_table(file)


def _understand_running(name: str, file: BinaryIO, choices: Choices) -> Understanding:
    """Return what a running text is. Raises RefusedError if it is too short, or no text."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    text, encoding = text_files.decode(file.read(MAX_RUNNING_BYTES))
    if len(text) < MIN_RUNNING:
        count = "1 character" if len(text) == 1 else f"{len(text):,} characters"
        raise RefusedError(f"it has {count}, and a language model needs at least {MIN_RUNNING:,}: give a longer text.")
    often = Counter(text).most_common()
    if len(often) == 1:
        raise RefusedError("it has one character again and again, so there is nothing to predict: give another text.")
    notes = [f"The most frequent characters are {' '.join(text_files.visible(one) for one, _ in often[:10])}."]
    if encoding == text_files.NAMES["latin-1"]:
        notes.append("It is not valid UTF-8, so every byte is a character of Latin-1; look whether accents are right.")
    if size > MAX_RUNNING_BYTES:
        used = f"the first {MAX_RUNNING_BYTES / 1e6:g} MB"
        notes.append(f"Of its {size / 1e6:,.0f} MB {used} are used, which is more than a small network can learn.")
    lines = text.count("\n") + (not text.endswith("\n"))
    return Understanding(
        name, f"Text file in {encoding}", RUNNING, choices, notes=tuple(notes), characters=len(text),
        summary=f"{len(text):,} characters on {lines:,} line{'s' * (lines != 1)}, {len(often):,} different ones",
        tensors={"inputs": torch.frombuffer(bytearray(text.encode("utf-8", "replace")), dtype=torch.uint8)},
    )  # fmt: skip


def read_running(key: str) -> str:
    """Return a running text as it was stored. Raises ValueError for an unknown id."""
    return bytes(_store.tensors(key)["inputs"].numpy()).decode()


def _read(name: str, file: BinaryIO, choices: Choices) -> Examples | Understanding:
    """Return the examples of a file of any type that is known."""
    kind = file_type.detect(file)
    if kind == "zip":
        with zip_images.open_zip(file) as archive:  # leaves a file open that it did not open itself
            entries = zip_images.entries(archive)
            content = table_formats.from_archive(file, archive, entries, choices)
            if content is None:
                return _read_folders(name, images.ZipFiles(archive, entries), choices)
    else:
        content = table_formats.open_table(file, kind)
    return content if isinstance(content, Examples) else table_dataset.read(content, choices)


def _read_folders(name: str, source: images.Source, choices: Choices) -> Examples | Understanding:
    """Return the images or the texts of class folders, or images with boxes, masks or a table of labels."""
    if annotations := find_annotations(source.files, source.read):
        return boxes.understand(name, source.read, annotations, choices)
    if masks.has_masks(source.files):
        return masks.understand(name, source, choices)
    table = image_table.find(source, must_be=choices.kind == "table") if choices.kind != "images" else None
    if table is not None and (choices.kind == "table" or not image_table.has_class_folders(source)):
        return image_table.read(source, table, choices)
    has_texts = images.holds_texts(source)
    examples = images.read_texts(source) if has_texts else images.read(source, choices.pixels, choices.colour)
    examples.notes += [image_table.NOTE.format(quoted(table.files[0]))] if table is not None else []
    return examples


def understand(
    name: str, examples: Examples, choices: Choices, fewest: int = MIN_CLASS_EXAMPLES, draw: Draw = splits.draw_splits
) -> Understanding:
    """Return what examples of any origin are, with classes in their order, copies in one split, and splits.

    Args:
        name: Name of the file.
        examples: The examples; those that are left out are removed.
        choices: What the user has decided.
        fewest: Different examples that a class needs.
        draw: Draws the missing splits from first occurrences, labels, missing splits and given splits.

    Raises:
        RefusedError: There are fewer than two classes with enough examples, or their names could be confused.
    """
    if target_of(examples.kind):
        return _understand_targets(name, examples, choices, draw)
    names, numbers = _number(examples, choices)
    numbers, first, copies = _without_across(examples, numbers)
    if reasons := small_classes(names, numbers, first, examples.given_splits, fewest):
        if len(set(numbers.tolist()) - set(reasons)) < 2:
            raise RefusedError(join_reasons(list(reasons.values())))
        examples.left_out += [LeftOut(f"class {names[number]}", reason) for number, reason in reasons.items()]
        numbers, first = _select(examples, ~torch.isin(numbers, torch.tensor(list(reasons))), numbers)
    classes, labels = names.sort_and_relabel(numbers)
    split = draw(first, labels, copies.missing, examples.given_splits)
    return _understanding(name, examples, choices, classes, (first, labels, split), copies=copies)


def _understand_targets(name: str, examples: Examples, choices: Choices, draw: Draw) -> Understanding:
    """Return what examples with several classes or with a number are; splits are drawn among all examples alike."""
    classes, labels = table_dataset.targets(examples, MIN_CLASS_EXAMPLES)
    classes = tuple(dict(choices.names).get(one, one) for one in classes)
    labels, first, copies = _without_across(examples, labels)
    split = draw(first, torch.zeros_like(first), copies.missing, examples.given_splits)
    sizes = torch.bincount(split, minlength=len(SPLITS)).tolist()
    if min(sizes) < 2:
        raise RefusedError(f"its {len(labels):,} examples are too few for three splits: give at least 15 of them.")
    understanding = _understanding(name, examples, choices, classes, (first, labels, split), copies=copies)
    return replace(understanding, sizes=dict(zip(SPLITS, sizes, strict=True)))


def _without_across(examples: Examples, labels: Tensor) -> tuple[Tensor, Tensor, splits.Copies]:
    """Take examples out that a split nearer to the test holds.

    Returns labels (N, ...) and first occurrences (N,) of the others, and what was found.
    """
    first = _first_occurrences(examples)
    copies = splits.find_copies(first, labels, examples.given_splits)
    if copies.stated:
        labels, first = _select(examples, ~copies.is_across, labels)
    return labels, first, copies


def _understanding(
    name: str, examples: Examples, choices: Choices, classes: tuple[str, ...], parts: tuple[Tensor, Tensor, Tensor],
    *, copies: splits.Copies,
) -> Understanding:  # fmt: skip
    """Return examples as they would be stored, with ``parts`` (N, ...), which are first occurrences, labels and splits.

    Labels are numbers of classes (N,), or (N, K) 1 and 0 for several, or numbers that are predicted.
    """
    first, labels, split = parts
    inputs, normalisation = _encode(examples, split == splits.TRAIN)
    is_class, is_number = labels.dim() == 1, target_of(examples.kind) == REGRESSION
    counts = [
        torch.bincount(one, minlength=len(classes)) if is_class else (torch.ones_like(one) if is_number else one).sum(0)
        for one in (labels[split == number] for number in range(len(SPLITS)))
    ]
    captions = [classes[one] for one in labels.tolist()] if is_class else examples.labels
    return Understanding(
        name, examples.format, examples.kind, choices, tuple(examples.columns), tuple(examples.left_out),
        tuple(examples.passed_over), tuple(examples.notes), tuple(examples.rows), classes,
        {part: tuple(count.long().tolist()) for part, count in zip(SPLITS, counts, strict=True)},
        given_splits=tuple(SPLITS[number] for number in copies.stated),
        copies=int((first != torch.arange(len(labels))).sum()), across=int(copies.is_across.sum()),
        contradictory=copies.contradictory, normalisation=normalisation,
        thumbnails=tuple(decode.thumbnails(inputs, labels, captions)) if form_of(examples.kind) == "images" else (),
        tensors={"inputs": inputs, "labels": labels, "splits": split.to(torch.uint8)},
    )  # fmt: skip


def _number(examples: Examples, choices: Choices) -> tuple[ClassNames, Tensor]:
    """Return the names of the classes and the numbers (N,) of the examples, after they were renamed."""
    wanted = dict(choices.names)
    if unknown := sorted(wanted.keys() - set(examples.labels)):
        raise RefusedError(f"it has no class {quoted(unknown[0])} that could have another name.")
    names = ClassNames()
    is_folder = form_of(examples.kind) in ("images", "text") and not examples.columns
    numbers = [
        names.number(wanted.get(label, label), f"folder {quoted(label)}" if is_folder else place)
        for label, place in zip(examples.labels, examples.places, strict=True)
    ]
    return names, torch.tensor(numbers, dtype=torch.int64)


def _select(examples: Examples, is_kept: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
    """Remove examples; return the numbers of the classes and the first occurrences of those that stay."""
    examples.select(is_kept)
    return numbers[is_kept], _first_occurrences(examples)


def _first_occurrences(examples: Examples) -> Tensor:
    inputs = torch.from_numpy(examples.inputs)
    is_images = form_of(examples.kind) == "images"
    return splits.first_occurrences(inputs if is_images else inputs.float())  # as they are stored


def _encode(examples: Examples, is_train: Tensor) -> tuple[Tensor, str]:
    """Return the inputs as they are stored, and how they will be normalised."""
    inputs = torch.from_numpy(examples.inputs)
    if form_of(examples.kind) == "images":
        means, stds = (" ".join(f"{value:.3f}" for value in values) for values in decode.moments(inputs[is_train]))
        return (
            inputs,
            f"Pixels from 0 to 1, minus {means}, divided by {stds} (mean and standard deviation in training).",
        )
    if form_of(examples.kind) == "text":
        return inputs, f"None; an input holds the code points of up to {inputs.shape[1]:,} characters."
    of_inputs = [column for column in examples.columns if column.role in INPUT_ROLES]
    inputs, encoded = table_dataset.encode(inputs, of_inputs, is_train)
    by_name = {column.name: column for column in encoded}
    examples.columns = [by_name.get(column.name, column) for column in examples.columns]
    words = any(column.role == "words" for column in of_inputs)
    text = "Numbers minus their mean, divided by their standard deviation in training."
    return inputs, f"{text} Every word is an input of its own, 1 or 0." if words else text


def find(key: str) -> Upload | None:
    """Return the upload with this id, or None if there is none on this machine."""
    metadata = _store.metadata(key)
    if metadata is None:
        return None
    try:
        classes, counts, shape = (tuple(json.loads(metadata[name])) for name in ("classes", "counts", "shape"))
        columns = tuple(Column(**column) for column in json.loads(metadata.get("columns", "[]")))
        return Upload(key, metadata["name"], metadata["kind"], classes, counts, shape, columns)
    except (KeyError, ValueError, TypeError):  # not written by this module
        return None


def list_all() -> list[Upload]:
    """Return all uploads on this machine, newest first."""
    return [upload for key in _store.ids() if (upload := find(key)) is not None]


def read_boxes(key: str) -> Mapping[str, Tensor]:
    """Return the tensors of :func:`boxes.understand`. Raises ValueError for an unknown id."""
    return _store.tensors(key)


def read(key: str) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return the inputs, labels and splits of an upload, not to be written into.

    Uploads of earlier versions have no splits. Raises ValueError for an unknown id.
    """
    tensors = _store.tensors(key)
    return tensors["inputs"], tensors["labels"], tensors.get("splits")


def remove(key: str) -> None:
    """Remove an upload if it is there. Raises ValueError for anything but an id."""
    _store.remove(key)
