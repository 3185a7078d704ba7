"""Opens archives that somebody else packed: every member is checked, and nothing is written outside the folder.

Tar archives (packed with gzip or not), zip archives and single files packed with gzip.
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

BLOCK = 1 << 20  # bytes
LARGEST = 20_000_000_000  # bytes, unpacked: far more than any data set here, far less than a zip bomb

ProgressCallback = Callable[
    [str, int, int], None
]  # what is being unpacked, bytes of the archive read so far, bytes in all


class _Writer:
    """Writes members below one folder, and counts the bytes."""

    def __init__(self, archive: Path, folder: Path, keep: Callable[[str], bool], largest: int) -> None:
        self.archive, self.folder, self.keep, self.left = archive, folder, keep, largest

    def write(self, name: str, source: IO[bytes] | gzip.GzipFile, watch: Callable[[], None]) -> None:
        """One member. Raises ValueError when there is too much of it."""
        target = self.folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as out:
            while block := source.read(BLOCK):
                self.left -= len(block)
                if self.left < 0:
                    raise ValueError(f"{self.archive.name} holds more than may be unpacked; it was left packed.")
                out.write(block)
                watch()


def extract(
    archive: Path,
    folder: Path,
    report: ProgressCallback,
    keep: Callable[[str], bool] = lambda _: True,
    largest: int = LARGEST,
) -> None:
    """The members of ``archive`` that ``keep`` wants by name, below ``folder``, which exists.

    What is packed with gzip inside a zip archive is unpacked too. Raises ValueError with one sentence for an archive
    that is damaged, holds a link, a device or a path that leads out, or more than ``largest`` bytes, and for a full
    disk; what was written until then stays, so choose a folder that can be thrown away.
    """
    writer = _Writer(archive, folder, keep, largest)
    by_ending = {".zip": _zip, ".tar": _tar, ".tgz": _tar, ".gz": _tar if ".tar" in archive.suffixes else _gzip}
    with translate_write_errors(folder, archive.name):
        try:
            by_ending[archive.suffix](writer, report)
        except (tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, lzma.LZMAError, EOFError) as error:
            raise ValueError(f"{archive.name} is damaged ({error}): fetch it again.") from error


def safe_member_name(name: str, archive: str) -> str:
    """The name of a member as it may be written below a folder. Raises ValueError for one that leads out of it."""
    path = PureWindowsPath(name)  # also knows backslashes and drives, which a system may or may not
    if path.drive or path.root or ".." in path.parts or "\0" in name or not path.parts:
        raise ValueError(f"{archive} holds a file that would be written outside its folder; it was left packed.")
    return str(PurePosixPath(name))


@contextmanager
def translate_write_errors(folder: Path, name: str) -> Iterator[None]:
    """Turns a disk's refusal to write ``name`` into a ValueError with one sentence."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise ValueError(
                f"The disk is full: {name} does not fit into the {_free(folder)} that are left beside the data."
            ) from error
        raise ValueError(f"{name} cannot be written into the data folder: {error.strerror or error}.") from error


def format_bytes(size: int) -> str:
    """Bytes as a reader sees them: "11 MB"."""
    if size >= 1_000_000_000:
        return f"{size / 1e9:.1f} GB"
    return f"{size / 1e6:,.0f} MB" if size >= 1_000_000 else f"{max(1, round(size / 1e3))} kB"


def _free(folder: Path) -> str:
    try:
        return format_bytes(shutil.disk_usage(folder).free)
    except OSError:
        return "few bytes"


def _tar(writer: _Writer, report: ProgressCallback) -> None:
    size = writer.archive.stat().st_size
    # As a stream: packed bytes are read once, and each member is checked before the next one is known.
    with writer.archive.open("rb") as raw, tarfile.open(fileobj=raw, mode="r|*") as tar:
        for member in tar:
            name = safe_member_name(member.name, writer.archive.name) if member.name.strip("./") else ""
            if member.isdir():
                continue
            if not member.isreg():
                raise ValueError(f"{writer.archive.name} holds a link or a device; it was left packed.")
            source = tar.extractfile(member) if writer.keep(name) else None
            if source is not None:
                writer.write(name, source, lambda: report(f"unpacking {writer.archive.name}", raw.tell(), size))


def _zip(writer: _Writer, report: ProgressCallback) -> None:
    with zipfile.ZipFile(writer.archive) as packed:
        members = packed.infolist()
        total, done = sum(member.compress_size for member in members), 0
        for member in members:
            name = safe_member_name(member.filename, writer.archive.name)
            kind = stat.S_IFMT(member.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise ValueError(f"{writer.archive.name} holds a link or a device; it was left packed.")
            if member.flag_bits & 1:
                raise ValueError(f"{writer.archive.name} is locked with a password: pack it without one.")
            if not member.is_dir() and writer.keep(name):
                with packed.open(member) as source:
                    if name.endswith(".gz"):
                        with gzip.open(source) as plain:
                            writer.write(name.removesuffix(".gz"), plain, lambda: None)
                    else:
                        writer.write(name, source, lambda: None)
            done += member.compress_size
            report(f"unpacking {writer.archive.name}", done, total)


def _gzip(writer: _Writer, report: ProgressCallback) -> None:
    size = writer.archive.stat().st_size
    with writer.archive.open("rb") as raw, gzip.open(raw) as plain:
        said = f"unpacking {writer.archive.name}"
        writer.write(writer.archive.name.removesuffix(".gz"), plain, lambda: report(said, raw.tell(), size))
