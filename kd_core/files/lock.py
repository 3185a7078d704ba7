"""Exclusive locks on folders, between threads and processes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from kd_core.base.errors import storage_error
from kd_core.files.archive import translate_write_errors


def lock_data_folder(folder: Path) -> BaseFileLock:
    """Lock a data folder, which is made, for this process until the lock is released or the process ends.

    The lock file stays empty, so that a folder on a full disk can be locked as well.

    Raises:
        ValueError: Another process holds the lock. Two would take each other's runs for interrupted ones.
        StorageError: The folder cannot be written to.
    """
    lock = FileLock(folder / "in-use.lock", thread_local=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(blocking=False)
    except Timeout:
        raise ValueError(
            f"Another Distillery is using the folder {folder.name}. Close it, or name another folder for this one with "
            "the environment variable DISTILLERY_DATA."
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
