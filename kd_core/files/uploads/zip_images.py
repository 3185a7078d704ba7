"""ZIP archives of class folders: which files they hold, and their bytes, counted while they are unpacked.

Nothing is ever extracted to a disk, and names inside of an archive never become paths. They are still held to the rules
of paths, since an archive that breaks them was not made by packing a folder.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from kd_core.files.archive import is_regular_entry, leads_outside
from kd_core.files.limits import ENTRY, FILES, FLOOR, RATIO, UNPACKED, RefusedError, quoted

CHUNK = 1 << 16
RECORD = b"PK\x01\x02"  # begins each entry of the table of contents
PACK = "pack the folder again, with nothing but class folders in it."
LITTER = {"__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini", ".directory"}  # of operating systems, not of anybody
PICKLES = (".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".joblib")


@dataclass(frozen=True)
class ImageEntry:
    """A file in a class folder."""

    path: str  # as the archive has it
    folder: str
    info: ZipInfo


def open_zip(file: BinaryIO) -> ZipFile:
    """The archive in ``file``. Raises RefusedError where it is none, or has too many entries even to be listed."""
    if _records(file) > FILES:
        raise RefusedError(f"it holds more than {FILES:,} files: give fewer.")
    try:
        return ZipFile(file)
    except Exception as error:  # a damaged table of contents fails in any way
        raise RefusedError("the ZIP file is damaged or incomplete: pack it again, or send it again.") from error


def _records(file: BinaryIO) -> int:
    """How many entries the table of contents can have at most: its markers anywhere in the file, in fixed memory."""
    file.seek(0)
    count, tail = 0, b""
    while piece := file.read(1 << 20):
        count += (tail + piece).count(RECORD)
        tail = piece[1 - len(RECORD) :]
    file.seek(0)
    return count


def entries(archive: ZipFile) -> list[ImageEntry]:
    """The files of all class folders, by path; one folder around all of them is left out of account."""
    infos = [info for info in archive.infolist() if _is_wanted(info)]
    names = [info.orig_filename for info in infos]
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise RefusedError(f"{quoted(name)} is in it twice: {PACK}")
        seen.add(name)
    files = [(info.orig_filename.split("/"), info) for info in infos if not info.is_dir()]
    _refuse_pickles([info for _, info in files])
    if "[Content_Types].xml" in seen:
        raise RefusedError("it is an Office document: save the sheet as CSV.")
    if not files:
        raise RefusedError("it holds no images: pack one folder per class, with the images of the class in it.")
    tops = {parts[0] for parts, _ in files}
    level = int(len(tops) == 1 and any(len(parts) > 2 for parts, _ in files))
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
    _refuse_empty(infos, names, level)
    found = [ImageEntry(info.orig_filename, parts[level], info) for parts, info in files]
    return sorted(found, key=lambda entry: (entry.folder, entry.path))


def _is_wanted(info: ZipInfo) -> bool:
    """Raises RefusedError for an entry that no packed folder has; False for litter."""
    path = info.orig_filename
    parts = path.removesuffix("/").split("/")
    if leads_outside(path) or "\\" in path or {"", "."} & set(parts):
        raise RefusedError(f"{quoted(path)} is not a plain path inside of the archive: {PACK}")
    if not is_regular_entry(info):
        raise RefusedError(f"{quoted(path)} is a link or a device, not a file: put the file itself there.")
    if info.flag_bits & 0x41:
        raise RefusedError(f"{quoted(path)} is encrypted: pack the folder again without a password.")
    if info.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        raise RefusedError(f"{quoted(path)} is packed in a rare way: pack the folder again as an ordinary ZIP file.")
    return not (LITTER & set(parts) or parts[-1].startswith("._"))


def _refuse_pickles(files: list[ZipInfo]) -> None:
    for info in files:
        if info.orig_filename.lower().endswith(PICKLES):
            raise RefusedError(
                f"{quoted(info.orig_filename)} in it is a pickle, which can run any program when it is opened and is "
                "never opened here: save weights as safetensors, data as images or a CSV file."
            )


def _refuse_empty(infos: list[ZipInfo], names: list[str], level: int) -> None:
    """A folder where a class would be, and nothing in it."""
    filled = {"/".join(name.split("/")[:depth]) for name in names if name[-1] != "/" for depth in (1, 2)}
    for info in infos:
        folder = info.orig_filename.removesuffix("/")
        if info.is_dir() and folder.count("/") <= level and folder not in filled:
            raise RefusedError(f"the folder {quoted(folder)} is empty: put images into it, or take it out.")


def contents(archive: ZipFile, files: list[ImageEntry]) -> Iterator[tuple[ImageEntry, bytes]]:
    """Each file with its bytes. Raises RefusedError as soon as there are too many of them."""
    total = 0
    for entry in files:
        blob = _unpacked(archive, entry.info, UNPACKED - total)
        total += len(blob)
        yield entry, blob


def _unpacked(archive: ZipFile, info: ZipInfo, left: int) -> bytes:
    assert archive.fp is not None
    name = quoted(info.orig_filename)
    size = archive.fp.seek(0, io.SEEK_END)
    usual = max(FLOOR, RATIO * min(info.compress_size, size))
    pieces, count = [], 0
    try:
        with archive.open(info) as stream:
            while piece := stream.read(CHUNK):
                count += len(piece)
                if count > min(usual, ENTRY, left):
                    break
                pieces.append(piece)
    except Exception as error:  # damaged data fail in any way
        raise RefusedError(f"{name} is damaged: pack it again, or send it again.") from error
    if count > left:
        raise RefusedError(f"it unpacks to more than {UNPACKED / 1e9:g} GB: give fewer or smaller files.")
    if count > ENTRY:
        raise RefusedError(f"{name} unpacks to more than {ENTRY / 1e6:g} MB: give a smaller image.")
    if count > usual:
        raise RefusedError(f"{name} unpacks to more than {RATIO} times its size, as no picture does: save it as PNG.")
    return b"".join(pieces)
