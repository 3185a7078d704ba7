"""Tables of logits per example in .npy, .npz, CSV or Parquet files."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kd_core.files.limits import MAX_ROWS, RefusedError, quoted

MAX_BYTES = 2_000_000_000
MAX_NUMBERS = 250_000_000
SPLITS = ("train", "validation", "test")
CLASSES = "classes"  # name of the array with the names of the classes in an .npz file
HINT = "give one row for each training example, in their order, and one column for each class."


@dataclass(frozen=True)
class LogitFile:
    """Logits (N, K) of the examples by split, and the names of the columns if the file has them."""

    logits: Mapping[str, Tensor]
    classes: tuple[str, ...] = ()


def read(name: str, blob: bytes) -> LogitFile:
    """Read a file without running anything in it. Raises RefusedError."""
    if len(blob) > MAX_BYTES:
        raise RefusedError(f"it is larger than {MAX_BYTES / 1e9:g} GB: give a smaller file.")
    if blob.startswith(b"\x93NUMPY"):
        return LogitFile({"train": _as_logits(_array(blob), "train")})
    if blob.startswith(b"PAR1"):
        return _parquet(blob)
    if blob.startswith(b"PK"):
        return _arrays(blob)
    return _csv(name, blob)


def _array(blob: bytes) -> np.ndarray:
    """Return one array; numbers and text alone, never a pickle. The size in the header must be that of the file."""
    try:
        file = io.BytesIO(blob)
        version = np.lib.format.read_magic(file)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read_header(file)
        count = int(np.prod([1, *shape], dtype=object))
        if dtype.hasobject or dtype.kind not in "fiuU":
            raise RefusedError(f"it holds objects ({quoted(str(dtype))}) and not numbers: save an array of float32.")
        if count > MAX_NUMBERS or count * dtype.itemsize != len(blob) - file.tell():
            raise RefusedError("its header and its length differ: save it again with numpy.save.")
        array: np.ndarray = np.load(io.BytesIO(blob), allow_pickle=False)
    except RefusedError:
        raise
    except Exception as error:  # the header is parsed by numpy, which raises many kinds
        raise RefusedError("it is no array of numbers, or damaged: save it again with numpy.save.") from error
    return array


def _arrays(blob: bytes) -> LogitFile:
    logits: dict[str, Tensor] = {}
    classes: tuple[str, ...] = ()
    try:
        with zipfile.ZipFile(io.BytesIO(blob)) as archive:
            entries = archive.infolist()
            if sum(entry.file_size for entry in entries) > MAX_BYTES:
                raise RefusedError(f"it unpacks to more than {MAX_BYTES / 1e9:g} GB: give a smaller file.")
            for entry in entries:
                split = entry.filename.removesuffix(".npy")
                if split not in (*SPLITS, CLASSES, "logits", "arr_0"):
                    raise RefusedError(f"it holds {quoted(split)}: name its arrays {', '.join(SPLITS)} and {CLASSES}.")
                array = _array(archive.read(entry))
                if split == CLASSES:
                    classes = tuple(str(value) for value in array.reshape(-1)[:100_000])
                else:
                    key = split if split in SPLITS else "train"
                    logits[key] = _as_logits(array, key)
    except (zipfile.BadZipFile, OSError, NotImplementedError) as error:
        raise RefusedError("it is damaged or incomplete: save it again with numpy.savez.") from error
    if "train" not in logits:
        raise RefusedError(f'it lacks the array "train": {HINT}')
    return LogitFile(logits, classes)


def _csv(name: str, blob: bytes) -> LogitFile:
    try:
        text = blob.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RefusedError(f"it is no table in UTF-8: {HINT}") from error
    delimiter = "\t" if name.lower().endswith(".tsv") else ";" if ";" in text[:10_000] else ","
    rows = [row for row in csv.reader(io.StringIO(text), delimiter=delimiter) if row]
    if len(rows) > MAX_ROWS:
        raise RefusedError(f"it has more than {MAX_ROWS:,} rows: give an .npy file.")
    header: tuple[str, ...] = ()
    if rows and not all(_is_number(cell) for cell in rows[0]):
        header, rows = tuple(cell.strip() for cell in rows[0]), rows[1:]
    widths = {len(row) for row in rows}
    if len(widths) != 1 or (header and {len(header)} != widths):
        raise RefusedError(f"its rows have {', '.join(map(str, sorted(widths)[:5])) or 'no'} columns: {HINT}")
    bad = next(
        ((row, cell) for row, cells in enumerate(rows, 1 + bool(header)) for cell in cells if not _is_number(cell)),
        None,
    )
    if bad:
        raise RefusedError(f"row {bad[0]} holds {quoted(bad[1])}, which is no number: {HINT}")
    return LogitFile({"train": _as_logits(np.array(rows, dtype=np.float32), "train")}, header)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _parquet(blob: bytes) -> LogitFile:
    try:
        import pyarrow.parquet
    except ImportError:
        raise RefusedError('reading Parquet needs pyarrow: pip install "distillery-lab[tables]".') from None
    try:
        file = pyarrow.parquet.ParquetFile(io.BytesIO(blob))
        facts: Any = file.metadata
        if facts.num_rows * facts.num_columns > MAX_NUMBERS:
            raise RefusedError(f"it has more than {MAX_NUMBERS:,} numbers: give fewer rows.")
        names = file.schema_arrow.names
        columns = [np.asarray(file.read(columns=[name]).column(0), dtype=np.float32) for name in names]
    except RefusedError:
        raise
    except Exception as error:  # pyarrow raises several kinds
        raise RefusedError(f"its columns are no numbers, or it is damaged: {HINT}") from error
    return LogitFile({"train": _as_logits(np.stack(columns, 1), "train")}, tuple(names))


def _as_logits(array: np.ndarray, split: str) -> Tensor:
    if array.ndim != 2 or array.dtype.kind not in "fiu":
        raise RefusedError(f"the logits of the {split} examples have the shape {array.shape}: {HINT}")
    logits = torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
    if not logits.isfinite().all():
        row = int((~logits.isfinite()).any(1).nonzero()[0]) + 1
        raise RefusedError(f"row {row} of the {split} examples holds NaN or infinite values: save finite logits.")
    return logits
