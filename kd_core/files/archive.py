"""Safe extraction of tar, zip and gzip archives.

:mod:`tarfile` and :mod:`zipfile` unpack. This module adds a bound on the unpacked size, the choice of members, and the
refusal of links, devices and paths that lead out of the folder, whichever system they are written for.
"""

from __future__ import annotations

import errno
import gzip
import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

BLOCK_BYTES = 1 << 20
MAX_BYTES = 20_000_000_000  # unpacked: far more than any data set here, far less than a zip bomb

ProgressCallback = Callable[[str, int, int], None]  # what is being done, bytes of the file so far, bytes in all


def extract(
    archive: Path,
    folder: Path,
    report: ProgressCallback,
    keep: Callable[[str], bool] = lambda _: True,
    largest: int = MAX_BYTES,
) -> None:
    """Extract the members of ``archive`` whose name ``keep`` accepts into ``folder``, which exists.

    Members of a zip archive that are packed with gzip are unpacked as well. On an error, what was written before it
    stays: choose a folder that can be deleted.

    Raises:
        ValueError: The archive is damaged, or holds a link, a device, a path that leads out of the folder or more than
            ``largest`` bytes, or the disk is full.
    """
    is_tar = archive.suffix == ".tgz" or ".tar" in archive.suffixes
    unpack = _unpack_tar if is_tar else _unpack_zip if archive.suffix == ".zip" else _unpack_gzip
    size = archive.stat().st_size
    with translate_write_errors(folder, archive.name):
        try:
            for position in unpack(archive, folder, keep, largest):
                report(f"unpacking {archive.name}", position, size)
        except (tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, lzma.LZMAError, EOFError) as error:
            raise ValueError(f"{archive.name} is damaged ({error}): download it again.") from error


def _unpack_tar(archive: Path, folder: Path, keep: Callable[[str], bool], left: int) -> Iterator[int]:
    # As a stream, which is read once.
    with archive.open("rb") as packed, tarfile.open(fileobj=packed, mode="r|*") as tar:
        for member in tar:
            if member.isdir():
                continue  # made with the files in it
            name = _checked_name(archive, member.name, is_regular=member.isreg())
            if keep(name):
                left = _subtract(archive, member.size, left)
                tar.extract(member, folder, filter="data")
            yield packed.tell()
        yield packed.tell()


def _unpack_zip(archive: Path, folder: Path, keep: Callable[[str], bool], left: int) -> Iterator[int]:
    with zipfile.ZipFile(archive) as packed:
        position = 0
        for entry in packed.infolist():
            name = _checked_name(archive, entry.filename, is_regular=is_regular_entry(entry))
            if entry.flag_bits & 1:
                raise ValueError(f"{archive.name} is locked with a password: pack it without one.")
            if not entry.is_dir() and keep(name):
                with packed.open(entry) as source:
                    if name.endswith(".gz"):
                        with gzip.open(source) as unpacked:
                            left = _write(archive, unpacked, folder / name.removesuffix(".gz"), left)
                    else:
                        left = _write(archive, source, folder / name, left)
            position += entry.compress_size
            yield position


def _unpack_gzip(archive: Path, folder: Path, _: Callable[[str], bool], left: int) -> Iterator[int]:
    with gzip.open(archive) as unpacked:
        _write(archive, unpacked, folder / archive.stem, left)
    yield archive.stat().st_size


def _checked_name(archive: Path, name: str, *, is_regular: bool) -> str:
    if leads_outside(name):
        raise ValueError(f"{archive.name} holds a file that would be written outside its folder; it was left packed.")
    if not is_regular:
        raise ValueError(f"{archive.name} holds a link or a device; it was left packed.")
    return str(PurePosixPath(name))


def _write(archive: Path, source: IO[bytes] | gzip.GzipFile, target: Path, left: int) -> int:
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as out:
        while block := source.read(BLOCK_BYTES):
            left = _subtract(archive, len(block), left)  # counted, since a header may state any size
            out.write(block)
    return left


def _subtract(archive: Path, size: int, left: int) -> int:
    if size > left:
        raise ValueError(f"{archive.name} holds more than may be unpacked; it was left packed.")
    return left - size


def leads_outside(name: str) -> bool:
    """Return whether a member of this name could be written outside the folder on some operating system."""
    path = PureWindowsPath(name)  # understands slashes, backslashes and drives
    return bool(path.drive or path.root or ".." in path.parts or "\0" in name or not path.parts)


def is_regular_entry(entry: zipfile.ZipInfo) -> bool:
    """Return whether an entry of a zip archive is a file or a folder, not a link or a device."""
    return stat.S_IFMT(entry.external_attr >> 16) in (0, stat.S_IFREG, stat.S_IFDIR)


@contextmanager
def translate_write_errors(folder: Path, name: str) -> Iterator[None]:
    """Turn the OSError of a failed write of ``name`` into a ValueError with one sentence."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise ValueError(
                f"The disk is full: {name} does not fit into the {_free_space(folder)} that are left beside the data."
            ) from error
        raise ValueError(f"{name} cannot be written into the data folder: {error.strerror or error}.") from error


def format_bytes(size: int) -> str:
    """Return a size in bytes as text, for example "11 MB"."""
    if size >= 1_000_000_000:
        return f"{size / 1e9:.1f} GB"
    return f"{size / 1e6:,.0f} MB" if size >= 1_000_000 else f"{max(1, round(size / 1e3))} kB"


def _free_space(folder: Path) -> str:
    try:
        return format_bytes(shutil.disk_usage(folder).free)
    except OSError:
        return "few bytes"
