"""Backup, restoration and shrinking of a data folder."""

from __future__ import annotations

import contextlib
import itertools
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from kd_core.base.errors import DAMAGED, StorageError, storage_error
from kd_core.files.lock import HOLDER, LOCK, is_data_folder_in_use, lock_data_folder
from kd_core.store.database import TIMEOUT, version_of
from kd_core.store.store import DATABASE, Store
from kd_core.store.trash import Trash

SKIPPED = (f"{DATABASE}*", "datasets", "*.lock", "*.part", "replaced-*")  # downloads can be downloaded again
REMAINING = ("datasets", LOCK, HOLDER)  # of a folder whose content is replaced


def back_up(source: Path, target: Path) -> None:
    """Copy all of a data folder but downloaded data sets, also while a process trains in it.

    The database has its name once the copy is complete, so an interrupted copy is not mistaken for a backup.

    Raises:
        ValueError: Nothing is stored there, or ``target`` is not empty or inside of ``source``.
        StorageError: The copy cannot be written.
    """
    if not (source / DATABASE).is_file():
        raise ValueError(f"Nothing is stored in {source} yet.")
    if target.resolve().is_relative_to(source.resolve()) or (target.exists() and any(target.iterdir())):
        raise ValueError(f"{target}: choose a new or an empty folder outside of {source}.")
    _copy(source, target)


def restore(backup: Path, folder: Path, *, replaces: bool = False) -> Path | None:
    """Copy a backup into a data folder that no process uses.

    The backup is copied and checked beside the present content first, so that nothing has changed if that fails.

    Args:
        backup: A folder that :func:`back_up` has written, or any other data folder.
        folder: The data folder, which need not exist.
        replaces: Whether the folder may hold runs, which are then moved to a folder ``replaced-TIME`` in it.

    Returns:
        That folder, or None if there was nothing to move.

    Raises:
        ValueError: The backup is none, or damaged, or of a newer version; the folder is in use or holds runs.
        StorageError: The folder cannot be written to.
    """
    check(backup / DATABASE)
    if folder.resolve().is_relative_to(backup.resolve()):
        raise ValueError(f"{backup} is the data folder itself, or holds it: name the folder of a backup.")
    if not replaces and (folder / DATABASE).exists():
        raise ValueError(f"{folder} holds runs already. With --replace they are moved aside, and nothing is deleted.")
    with lock_data_folder(folder):
        staging = folder / "restoring.part"
        try:
            shutil.rmtree(staging, ignore_errors=True)
            _copy(backup, staging)
            check(staging / DATABASE)
            if (folder / DATABASE).exists():
                with contextlib.suppress(ValueError):  # a damaged database is moved together with its log
                    Store(folder / DATABASE).fold_log()
            previous = [path for path in folder.iterdir() if _is_content(path, backup)]
            aside = _new_folder(folder / time.strftime("replaced-%Y%m%d-%H%M%S"))
            for path in previous:
                path.rename(aside / path.name)
            if not previous:
                aside.rmdir()
            for path in sorted(staging.iterdir(), key=lambda path: path.name == DATABASE):
                path.rename(folder / path.name)
        except OSError as error:
            raise storage_error(f"The folder {folder.name}", error) from error
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    return aside if previous else None


def vacuum(folder: Path) -> tuple[int, int]:
    """Write the database of a data folder anew without free pages, and fold its log into it.

    Deleted runs are removed for good, unless a process that could restore them uses the folder.

    Returns:
        The bytes of the database and its log before and after.

    Raises:
        ValueError: Nothing is stored there.
        StorageError: Another program writes to the database, or there is no space for a copy of it.
    """
    path = folder / DATABASE
    if not path.is_file():
        raise ValueError(f"Nothing is stored in {folder} yet.")
    before = size_of(path)
    with contextlib.ExitStack() as stack:
        if not is_data_folder_in_use(folder):
            stack.enter_context(lock_data_folder(folder))
            Trash(path).empty(folder)
        Store(path).rewrite()
    return before, size_of(path)


def check(path: Path) -> None:
    """Read all pages of a database and compare its indices with its tables.

    Raises ValueError if it is missing, damaged, or was written by a newer version or another program.
    """
    if not path.is_file():
        raise ValueError(f"{path.parent} is no backup: it has no {path.name}.")
    version_of(path)
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
            (result,) = db.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        raise ValueError(f"{path.name} cannot be read. {DAMAGED}.") from error
    if result != "ok":
        raise ValueError(f"{path.name} is damaged ({result}). {DAMAGED}.")


def size_of(path: Path) -> int:
    """Return the bytes of a database with its write-ahead log."""
    files = (path, path.with_name(f"{path.name}-wal"))
    return sum(file.stat().st_size for file in files if file.exists())


def _copy(source: Path, target: Path) -> None:
    """Copy files, and then the database, since a checkpoint that is ahead of its events cannot be used."""
    part = target / f"{DATABASE}.part"
    try:
        ignored = shutil.ignore_patterns(*SKIPPED)
        shutil.copytree(source, target, copy_function=_copy_file, ignore=ignored, dirs_exist_ok=True)
        _copy_database(source / DATABASE, part)
        part.rename(target / DATABASE)
    except shutil.Error as error:  # of several files at once
        raise StorageError(f"The folder {target.name} cannot be written. {error.args[0][0][2]}.") from error
    except (OSError, sqlite3.DatabaseError) as error:
        raise storage_error(f"The folder {target.name}", error) from error


def _copy_database(source: Path, target: Path) -> None:
    """Copy a database as it is at one moment, also while another process writes to it."""
    with (
        closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True, timeout=TIMEOUT)) as original,
        closing(sqlite3.connect(target)) as copy,
    ):
        original.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")  # one file, which can also be read where nothing can be written


def _copy_file(source: str, target: str) -> None:
    with contextlib.suppress(FileNotFoundError):  # a checkpoint that was replaced meanwhile
        shutil.copy2(source, target)


def _new_folder(path: Path) -> Path:
    """Make a folder with this name, or with a number after it where there is one."""
    names = itertools.chain([path.name], (f"{path.name}-{number}" for number in itertools.count(2)))
    new = next(path.with_name(name) for name in names if not path.with_name(name).exists())
    new.mkdir()
    return new


def _is_content(path: Path, backup: Path) -> bool:
    """Return whether a restoration replaces an entry of the data folder."""
    is_backup = backup.resolve().is_relative_to(path.resolve())
    return path.name not in REMAINING and not path.name.startswith(("replaced-", "restoring.")) and not is_backup
