"""Images whose labels are in a table beside them, one line for each."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import PurePosixPath

from kd_core.files.limits import MAX_ROWS, RefusedError, quoted
from kd_core.files.uploads import file_type, images, table_dataset, table_formats
from kd_core.files.uploads.csv_reader import Table
from kd_core.files.uploads.folders.image_list import (
    READABLE,
    ImageFile,
    ImageList,
    ImagePaths,
    is_litter,
    list_images,
    split_of,
)
from kd_core.files.uploads.splits import FOLDERS, TRAIN
from kd_core.files.uploads.understanding import Choices, Examples, LeftOut

ENDINGS = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet")  # of the names of tables
MOST_TABLES = 100  # more are files that describe one image each
NOTE = "The classes are the folders; take the labels of {} instead with kind=table."
SAMPLE = 1000  # rows by which the column that names the images is found


@dataclass(frozen=True)
class ImageTable(Table):
    """Rows of one table, or of several with the same columns, each with the image that it names."""

    paths: Sequence[str | None] = ()  # of the image by number of the row; None if it is not among the files
    places: Sequence[str] = ()  # by number of the row
    column: int = 0  # that names the images
    files: tuple[str, ...] = ()  # of the tables

    def place(self, number: int) -> str:
        return self.places[number]


def find(source: images.Source, *, must_be: bool = False) -> ImageTable | None:
    """Return the table that names the images, None if there is none.

    Half of its rows must name one, by its path or its name, with or without the ending. Tables with the same columns,
    such as one for each split, are one table; of others that with the most rows is taken.

    Raises:
        RefusedError: There is none, and there ``must_be`` one; or it cannot be read to its end.
    """
    files = [path for path in source.files if not path.endswith("/") and not is_litter(path)]
    pictures = ImagePaths([path for path in files if PurePosixPath(path).suffix.lower() in READABLE])
    tables = []
    candidates = [path for path in files if path.lower().endswith(ENDINGS)]
    for path in candidates if len(candidates) <= MOST_TABLES else ():
        table = _open(source, path)
        column = _image_column(table, pictures, path) if table is not None else None
        tables += [] if table is None or column is None else [(table.names, column, path, table)]
    groups = [
        _join(list(group), pictures)
        for _, group in groupby(sorted(tables, key=lambda one: one[:3]), lambda one: one[:2])
    ]
    if must_be and not groups:
        raise RefusedError("it has no table that names its images: add a CSV file with a column of their names.")
    return max(groups, key=lambda table: len(table.places), default=None)


def _open(source: images.Source, path: str) -> Table | None:
    """Return the table in a file; None if there is none."""
    try:
        content = source.read(path)
        file = io.BytesIO(_as_list(content) if path.lower().endswith(".json") else content)
        kind = file_type.detect(file)
        table = table_formats.open_table(file, kind) if kind != "zip" else None
    except RefusedError:
        return None
    return table if isinstance(table, Table) else None


def _as_list(content: bytes) -> bytes:
    """Return a JSON object of labels by image as a list of objects, other content as it is."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return content
    if not isinstance(document, dict):
        return content
    rows = [
        {"image": name, **(label if isinstance(label, dict) else {"label": label})} for name, label in document.items()
    ]
    return json.dumps(rows).encode()


def _image_column(table: Table, pictures: ImagePaths, path: str) -> int | None:
    """Return the column that names the most images, None if that is not true of half of the rows."""
    try:
        rows = [cells for (_, cells), _ in zip(table.rows(), range(SAMPLE), strict=False)]
    except RefusedError:
        return None
    counts = [len({pictures.find(cell.strip(), path) for cell in cells} - {None}) for cells in zip(*rows, strict=False)]
    best = max(counts, default=0)
    return counts.index(best) if best and 2 * best >= len(rows) else None


def _join(tables: Sequence[tuple[tuple[str, ...], int, str, Table]], pictures: ImagePaths) -> ImageTable:
    """Return tables with the same columns as one. Raises RefusedError for one that cannot be read to its end."""
    rows: list[tuple[int, Sequence[str]]] = []
    places, paths = [], []
    for _, column, path, table in tables:
        for number, cells in table.rows():
            if len(rows) == MAX_ROWS:
                raise RefusedError(f"its tables have more than {MAX_ROWS:,} rows: give fewer.")
            rows.append((len(rows), cells))
            places.append(f"{quoted(path)}, {table.place(number)}")
            paths.append(pictures.find(cells[column].strip(), path) if column < len(cells) else None)
    names, column, path, first = tables[0]
    return ImageTable(
        first.format, names, first.has_names, lambda: iter(rows), first.unit, paths, places, column,
        tuple(path for _, _, path, _ in tables),
    )  # fmt: skip


def has_class_folders(source: images.Source) -> bool:
    """Return whether the images are in several folders that are no splits, so that these may be classes."""
    try:
        listed = list_images(source.files)
    except RefusedError:
        return False
    return len({image.label.lower() for image in listed.images} - FOLDERS.keys()) > 1


def read(source: images.Source, table: ImageTable, choices: Choices) -> Examples:
    """Read the images that a table names, with its labels.

    Lines that name no image, or one that an earlier line names, are left out, and so are images that no line names.

    Raises:
        RefusedError: There are no images that can be read, or they are beyond a limit, or the label is not clear.
    """
    reader = table_dataset.Reader(table, choices, table.column)
    examples, listed, places = reader.examples, ImageList(), dict[str, str]()
    for number, cells in table.rows():
        path, where = table.paths[number], table.place(number)
        if len(cells) != len(table.names):  # is left out already
            places |= {} if path is None else {path: where}
            continue
        label, reason = reader.label(cells)
        if path is None:
            name = cells[table.column].strip()
            fault = f"names {quoted(name)}, which is not among the files" if name else "names no image"
            reason = f" {fault}: add it, or take the line out."
        elif path in places:
            reason = f" names {quoted(path)} as {places[path]} does: give each image one line."
        if reason or path is None:
            listed.left_out.append(LeftOut(where, f"{where}{reason}"))
        else:
            split = split_of(path) if reader.roles.split is None else FOLDERS[cells[reader.roles.split].strip().lower()]
            listed.images.append(ImageFile(path, label, split))
            if len(examples.rows) < table_dataset.SHOWN_ROWS:
                examples.rows.append(tuple(cells))
        if path is not None:
            places.setdefault(path, where)
    for path in sorted(source.files):
        if is_litter(path) or PurePosixPath(path).suffix.lower() not in READABLE:
            listed.passed_over += [] if path in table.files else [path]
        elif path not in places:
            reason = f"{quoted(path)} has no line in {quoted(table.files[0])}: add one, or take it out."
            listed.left_out.append(LeftOut(path, reason))
    stated = {image.split for image in listed.images}
    if None in stated or TRAIN not in stated or len(stated) < 2:
        listed.images = [ImageFile(image.path, image.label, None) for image in listed.images]
    read_images = images.read_listed(source, listed, choices.pixels, choices.colour)
    read_images.kind, read_images.columns, read_images.rows = examples.kind, examples.columns, examples.rows
    read_images.format = f"{source.format.split(' of ')[0]} of images, and their labels in {quoted(table.files[0])}"
    read_images.left_out = [*examples.left_out, *read_images.left_out]
    read_images.notes = examples.notes
    return read_images
