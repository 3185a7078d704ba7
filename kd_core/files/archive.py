"""Safe extraction of tar, zip and gzip archives.

:mod:`tarfile` and :mod:`zipfile` read the members, of which only the content is written: no link, owner or permission
of an archive reaches the disk. This module adds what they lack: a bound on the unpacked size, the choice of members,
and the refusal of an archive with links, devices or paths that lead out of the folder on any operating system.
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
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path, PureWindowsPath
from typing import Any

BLOCK_BYTES = 1 << 20
MAX_BYTES = 20_000_000_000  # unpacked: far more than any data set here, far less than a zip bomb
UNPACKED = "; it was left packed."

ProgressCallback = Callable[[str, int, int], None]  # what is being done, bytes of the file so far, bytes in all


def extract(
    archive: Path,
    folder: Path,
    report: ProgressCallback,
    keep: Callable[[str], bool] = lambda _: True,
    largest: int = MAX_BYTES,
) -> None:
    """Extract the members of ``archive`` whose name ``keep`` accepts into ``folder``, which exists.

    Members that are packed with gzip are unpacked as well, and so is an archive that is one such file. On an error,
    what was written before it stays: choose a folder that can be deleted.

    Raises:
        ValueError: The archive is damaged, or holds a link, a device, a path that leads out of the folder or more than
            ``largest`` bytes, or the disk is full.
    """
    size, left = archive.stat().st_size, largest
    with translate_write_errors(folder, archive.name):
        try:
            for name, is_regular, open_member, position in _members(archive):
                report(f"unpacking {archive.name}", position, size)
                if leads_outside(name):
                    raise ValueError(f"{archive.name} holds a file that would be written outside its folder{UNPACKED}")
                if not is_regular:
                    raise ValueError(f"{archive.name} holds a link or a device{UNPACKED}")
                if not keep(name):
                    continue
                target = folder / name.removesuffix(".gz")
                target.parent.mkdir(parents=True, exist_ok=True)
                decompress = gzip.open if name.endswith(".gz") else nullcontext
                with open_member() as packed, decompress(packed) as source, target.open("wb") as out:
                    while block := source.read(BLOCK_BYTES):
                        left -= len(block)  # counted, since a header may state any size
                        if left < 0:
                            raise ValueError(f"{archive.name} holds more than may be unpacked{UNPACKED}")
                        out.write(block)
            report(f"unpacking {archive.name}", size, size)
        except (tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, lzma.LZMAError, EOFError) as error:
            raise ValueError(f"{archive.name} is damaged ({error}): download it again.") from error


def _members(archive: Path) -> Iterator[tuple[str, bool, Callable[[], Any], int]]:
    """Yield the name of every member but folders, whether it is a regular file, its opener, and the bytes before it."""
    if archive.suffix == ".tgz" or ".tar" in archive.suffixes:
        with archive.open("rb") as packed, tarfile.open(fileobj=packed, mode="r|*") as tar:  # a stream, read once
            for member in tar:
                if not member.isdir():
                    yield member.name, member.isreg(), partial(tar.extractfile, member), packed.tell()
    elif archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as entries:
            position = 0
            for entry in entries.infolist():
                if entry.flag_bits & 1:
                    raise ValueError(f"{archive.name} is locked with a password: pack it without one.")
                if not entry.is_dir():
                    yield entry.filename, is_regular_entry(entry), partial(entries.open, entry), position
                position += entry.compress_size
    else:
        yield archive.name, True, partial(archive.open, "rb"), 0


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
