"""Images from a ZIP archive of class folders, with bounds on what is unpacked.

Nothing is extracted to a disk, and names inside an archive never become paths. They must still be plain relative paths,
since an archive with others was not made by packing a folder.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
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
SYSTEM_FILES = {"__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini", ".directory"}  # made by operating systems
PICKLE_ENDINGS = (".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".joblib")


@dataclass(frozen=True)
class ImageEntry:
    """File in a class folder."""

    path: str  # as written in the archive
    folder: str
    info: ZipInfo


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


def entries(archive: ZipFile) -> list[ImageEntry]:
    """Return the files of all class folders, by path; there may be one folder around them.

    Raises:
        RefusedError: The archive holds anything else than class folders with files in them.
    """
    infos = [info for info in archive.infolist() if _is_wanted(info)]
    names: set[str] = set()
    for info in infos:
        if info.orig_filename in names:
            raise RefusedError(f"{quoted(info.orig_filename)} is in it twice: {PACK_AGAIN}")
        names.add(info.orig_filename)
    files = [(info.orig_filename.split("/"), info) for info in infos if not info.is_dir()]
    _refuse_pickles([info for _, info in files])
    if "[Content_Types].xml" in names:
        raise RefusedError("it is an Office document: save the sheet as CSV.")
    if not files:
        raise RefusedError("it holds no images: pack one folder per class, with the images of the class in it.")
    is_wrapped = len({parts[0] for parts, _ in files}) == 1 and any(len(parts) > 2 for parts, _ in files)
    level = int(is_wrapped)  # position of the class folder in a path
    for parts, info in files:
        if len(parts) <= level + 1:
            raise RefusedError(
                f"{quoted(info.orig_filename)} lies outside of the class folders: move it into one, or out."
            )
        if len(parts) > level + 2:
            raise RefusedError(
                f"{quoted(info.orig_filename)} lies in a folder inside of a class folder: put every image directly "
                "into the folder of its class, and leave out folders such as train and test."
            )
    _refuse_empty_folders(infos, level)
    images = [ImageEntry(info.orig_filename, parts[level], info) for parts, info in files]
    return sorted(images, key=lambda entry: (entry.folder, entry.path))


def _is_wanted(info: ZipInfo) -> bool:
    """Return False for files of the operating system. Raises RefusedError for an entry that no packed folder has."""
    path = info.orig_filename
    parts = path.removesuffix("/").split("/")
    if leads_outside(path) or "\\" in path or {"", "."} & set(parts):
        raise RefusedError(f"{quoted(path)} is not a plain path inside of the archive: {PACK_AGAIN}")
    if not is_regular_entry(info):
        raise RefusedError(f"{quoted(path)} is a link or a device, not a file: put the file itself there.")
    if info.flag_bits & 0x41:
        raise RefusedError(f"{quoted(path)} is encrypted: pack the folder again without a password.")
    if info.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        raise RefusedError(f"{quoted(path)} is packed in a rare way: pack the folder again as an ordinary ZIP file.")
    return not (SYSTEM_FILES & set(parts) or parts[-1].startswith("._"))


def _refuse_pickles(files: list[ZipInfo]) -> None:
    for info in files:
        if info.orig_filename.lower().endswith(PICKLE_ENDINGS):
            raise RefusedError(
                f"{quoted(info.orig_filename)} in it is a pickle, which can run any program when it is opened and is "
                "never opened here: save weights as safetensors, data as images or a CSV file."
            )


def _refuse_empty_folders(infos: list[ZipInfo], level: int) -> None:
    files = [info.orig_filename.split("/") for info in infos if not info.is_dir()]
    filled = {"/".join(parts[:depth]) for parts in files for depth in (1, 2)}
    for info in infos:
        folder = info.orig_filename.removesuffix("/")
        if info.is_dir() and folder.count("/") <= level and folder not in filled:
            raise RefusedError(f"the folder {quoted(folder)} is empty: put images into it, or take it out.")


def contents(archive: ZipFile, files: list[ImageEntry]) -> Iterator[tuple[ImageEntry, bytes]]:
    """Yield each file with its bytes. Raises RefusedError as soon as there are too many of them."""
    total = 0
    for entry in files:
        blob = _unpack(archive, entry.info, MAX_UNPACKED_BYTES - total)
        total += len(blob)
        yield entry, blob


def _unpack(archive: ZipFile, info: ZipInfo, left: int) -> bytes:
    assert archive.fp is not None
    name = quoted(info.orig_filename)
    archive_size = archive.fp.seek(0, io.SEEK_END)  # the stated size of an entry may be larger than the archive
    ratio_limit = max(RATIO_FREE_BYTES, MAX_RATIO * min(info.compress_size, archive_size))
    blocks, count = [], 0
    try:
        with archive.open(info) as stream:
            while block := stream.read(BLOCK_BYTES):
                count += len(block)
                if count > min(ratio_limit, MAX_ENTRY_BYTES, left):
                    break
                blocks.append(block)
    except Exception as error:  # damaged data raise all kinds of exceptions
        raise RefusedError(f"{name} is damaged: pack it again, or send it again.") from error
    if count > left:
        raise RefusedError(f"it unpacks to more than {MAX_UNPACKED_BYTES / 1e9:g} GB: give fewer or smaller files.")
    if count > MAX_ENTRY_BYTES:
        raise RefusedError(f"{name} unpacks to more than {MAX_ENTRY_BYTES / 1e6:g} MB: give a smaller image.")
    if count > ratio_limit:
        raise RefusedError(f"{name} unpacks to more than {MAX_RATIO} times its size, as no image does: save it as PNG.")
    return b"".join(blocks)
