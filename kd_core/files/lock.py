"""Exclusive locks on folders, between threads and processes."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from kd_core.base.errors import storage_error
from kd_core.files.archive import translate_write_errors

LOCK, HOLDER = "in-use.lock", "in-use-by.lock"


@dataclass(frozen=True)
class Holder:
    """Process that holds a data folder."""

    what: str  # such as "an app"
    pid: int
    machine: str
    since: float  # seconds since 1970

    def in_words(self) -> str:
        """Return the process as a clause without a verb."""
        where = "" if self.machine == platform.node() else f" on {self.machine}"
        return f"{self.what}{where}, process {self.pid}, since {time.strftime('%H:%M', time.localtime(self.since))}"


def record_holder(folder: Path, what: str) -> None:
    """Write who holds a locked data folder, beside the lock; left out on a full disk."""
    with contextlib.suppress(OSError):
        body = json.dumps(asdict(Holder(what, os.getpid(), platform.node(), time.time())))
        (folder / HOLDER).write_text(body, encoding="utf-8")


def holder_of(folder: Path) -> Holder | None:
    """Return the process that recorded itself last as the holder of a data folder; None if that cannot be read."""
    try:
        return Holder(**json.loads((folder / HOLDER).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


class InUseError(ValueError):
    """Data folder that another process holds."""


def lock_data_folder(folder: Path) -> BaseFileLock:
    """Lock a data folder, which is made, for this process until the lock is released or the process ends.

    The lock file stays empty, so that a folder on a full disk can be locked as well.

    Raises:
        InUseError: Another process holds the lock. Two would take each other's runs for interrupted ones.
        StorageError: The folder cannot be written to.
    """
    lock = FileLock(folder / LOCK, thread_local=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(blocking=False)
    except Timeout:
        holder = holder_of(folder)
        who = f" It is {holder.in_words()}." if holder else ""
        raise InUseError(
            f"Another Distillery is using the folder {folder.name}.{who} Close it, or name another folder for this one "
            "with the environment variable DISTILLERY_DATA."
        ) from None
    except OSError as error:
        raise storage_error(f"The folder {folder.name}", error) from error
    return lock


def is_data_folder_in_use(folder: Path) -> bool:
    """Return whether a process holds :func:`lock_data_folder`, or that cannot be found out."""
    try:
        lock_data_folder(folder).release()
    except ValueError:
        return True
    return False


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Hold the lock of ``folder``, which is made; wait for another thread or process that holds it."""
    with translate_write_errors(folder, folder.name):
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock").acquire()
    with lock:
        yield
