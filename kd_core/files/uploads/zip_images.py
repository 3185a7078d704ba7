"""Entries of a ZIP archive, with bounds on what is unpacked.

Nothing is extracted to a disk, and names inside an archive never become paths. They must still be plain relative paths,
since an archive with others was not made by packing a folder.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import BinaryIO
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from kd_core.files.archive import is_regular_entry, leads_outside
from kd_core.files.limits import (
    MAX_ENTRIES,
    MAX_ENTRY_BYTES,
    MAX_RATIO,
    MAX_UNPACKED_BYTES,
    RATIO_FREE_BYTES,
    RefusedError,
    quoted,
)

BLOCK_BYTES = 1 << 16
ENTRY_MAGIC = b"PK\x01\x02"  # begins each entry of the central directory
PACK_AGAIN = "pack the folder again, with nothing but class folders in it."
UTF8_FLAG = 0x800  # of a name
PICKLE_ENDINGS = (".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".joblib")


class DamagedError(RefusedError):
    """One file of an archive cannot be unpacked, and others perhaps can."""


def open_zip(file: BinaryIO) -> ZipFile:
    """Open the archive in ``file``. Raises RefusedError if it is damaged or has too many entries even to list them."""
    if _max_entries(file) > MAX_ENTRIES:
        raise RefusedError(f"it holds more than {MAX_ENTRIES:,} files: give fewer.")
    try:
        return ZipFile(file)
    except Exception as error:  # a damaged central directory raises all kinds of exceptions
        raise RefusedError("the ZIP file is damaged or incomplete: pack it again, or send it again.") from error


def _max_entries(file: BinaryIO) -> int:
    """Return an upper bound on the number of entries, without reading the central directory into memory."""
    file.seek(0)
    count, tail = 0, b""
    while block := file.read(1 << 20):
        count += (tail + block).count(ENTRY_MAGIC)
        tail = block[1 - len(ENTRY_MAGIC) :]
    file.seek(0)
    return count


def entries(archive: ZipFile) -> dict[str, ZipInfo]:
    """Return all entries by path; those of folders end with "/".

    Raises:
        RefusedError: An entry is no file with a plain relative path, or a pickle.
    """
    infos = archive.infolist()
    names = [_name(info) for info in infos]
    if not any("/" in name and "\\" in name for name in names):  # PowerShell 5 writes backslashes
        names = [name.replace("\\", "/") for name in names]
    paths: dict[str, ZipInfo] = {}
    for path, info in zip(names, infos, strict=True):
        _check(path, info)
        if path in paths:
            raise RefusedError(f"{quoted(path)} is in it twice: {PACK_AGAIN}")
        paths[path] = info
    _refuse_pickles(paths)
    return paths


def _name(info: ZipInfo) -> str:
    """Return the name of an entry, in UTF-8 where it is valid, since many programs do not set its flag."""
    name = info.orig_filename
    if info.flag_bits & UTF8_FLAG or name.isascii():
        return name
    try:
        return name.encode("cp437").decode("utf-8")
    except UnicodeError:
        return name


def _check(path: str, info: ZipInfo) -> None:
    """Raise RefusedError for an entry that no packed folder has."""
    parts = path.removesuffix("/").split("/")
    if leads_outside(path) or "\\" in path or {"", "."} & set(parts):
        raise RefusedError(f"{quoted(path)} is not a plain path inside of the archive: {PACK_AGAIN}")
    if not is_regular_entry(info):
        raise RefusedError(f"{quoted(path)} is a link or a device, not a file: put the file itself there.")
    if info.flag_bits & 0x41:
        raise RefusedError(f"{quoted(path)} is encrypted: pack the folder again without a password.")
    if info.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        raise RefusedError(f"{quoted(path)} is packed in a rare way: pack the folder again as an ordinary ZIP file.")


def _refuse_pickles(paths: Iterable[str]) -> None:
    for path in paths:
        if path.lower().endswith(PICKLE_ENDINGS):
            raise RefusedError(
                f"{quoted(path)} in it is a pickle, which can run any program when it is opened and is "
                "never opened here: save weights as safetensors, data as images or a CSV file."
            )


def unpack(archive: ZipFile, path: str, info: ZipInfo, left: int, largest: int | None = None) -> bytes:
    """Return the bytes of an entry, at most ``left`` and ``largest`` (by default 100 MB).

    Raises:
        DamagedError: Its data are damaged.
        RefusedError: It has more bytes, or far more than its packed size.
    """
    largest = MAX_ENTRY_BYTES if largest is None else largest
    assert archive.fp is not None
    name = quoted(path)
    archive_size = archive.fp.seek(0, io.SEEK_END)  # the stated size of an entry may be larger than the archive
    ratio_limit = max(RATIO_FREE_BYTES, MAX_RATIO * min(info.compress_size, archive_size))
    blocks, count = [], 0
    try:
        with archive.open(info) as stream:
            while block := stream.read(BLOCK_BYTES):
                count += len(block)
                if count > min(ratio_limit, largest, left):
                    break
                blocks.append(block)
    except Exception as error:  # damaged data raise all kinds of exceptions
        raise DamagedError(f"{name} is damaged: pack it again, or send it again.") from error
    if count > left:
        raise RefusedError(f"it unpacks to more than {MAX_UNPACKED_BYTES / 1e9:g} GB: give fewer or smaller files.")
    if count > largest:
        raise RefusedError(f"{name} unpacks to more than {largest / 1e6:g} MB: give a smaller file.")
    if count > ratio_limit:
        raise RefusedError(f"{name} unpacks to more than {MAX_RATIO} times its size, as no image does: save it as PNG.")
    return b"".join(blocks)
