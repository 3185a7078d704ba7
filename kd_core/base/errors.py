"""What keeps runs from being written down, in words: a full disk, a locked database, a folder that is read-only."""

from __future__ import annotations

import errno
import sqlite3

FULL = "The disk is full: free some space"
FORBIDDEN = (
    "It may not be written to: give Distillery the right to, or name another folder with the environment variable "
    "DISTILLERY_DATA"
)
BY_NUMBER = {
    errno.ENOSPC: FULL, errno.EDQUOT: FULL, errno.EFBIG: FULL,
    errno.EACCES: FORBIDDEN, errno.EPERM: FORBIDDEN, errno.EROFS: FORBIDDEN,
}  # fmt: skip
DAMAGED = "It is damaged: put a copy of it in its place, or move it away to begin a new one"
# Primary result codes, https://sqlite.org/rescode.html
BY_CODE = {
    sqlite3.SQLITE_FULL: FULL,
    sqlite3.SQLITE_BUSY: "Another program holds it: close that program",
    sqlite3.SQLITE_LOCKED: "Another program holds it: close that program",
    sqlite3.SQLITE_READONLY: FORBIDDEN,
    sqlite3.SQLITE_PERM: FORBIDDEN,
    sqlite3.SQLITE_CANTOPEN: FORBIDDEN,
    sqlite3.SQLITE_CORRUPT: DAMAGED,
    sqlite3.SQLITE_NOTADB: DAMAGED,
    sqlite3.SQLITE_IOERR: "The disk reports an error: free some space, and look after the disk",
}


class StorageError(ValueError):
    """Nothing was written, and everything is as it was before; the message says what to change."""


def sqlite_code(error: sqlite3.Error) -> int:
    """SQLite's primary result code; 0 for an error of Python's own."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def is_environment_error(error: sqlite3.Error) -> bool:
    """Whether the trouble is with the disk or with another program, and not with what was asked of SQLite."""
    return sqlite_code(error) in BY_CODE


def storage_error(what: str, error: OSError | sqlite3.Error) -> StorageError:
    """The error for the reader: ``what`` could not be written, why, and what to do."""
    if isinstance(error, sqlite3.Error):
        why = BY_CODE.get(sqlite_code(error), str(error))
    else:
        why = BY_NUMBER.get(error.errno or 0, error.strerror or str(error))
    return StorageError(f"{what} cannot be written. {why}.")
