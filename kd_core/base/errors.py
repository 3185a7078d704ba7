"""Exceptions and user messages for errors of the disk and of SQLite."""

from __future__ import annotations

import errno
import sqlite3

FULL = "The disk is full: free some space"
FORBIDDEN = (
    "It may not be written to: give Distillery the right to, or name another folder with the environment variable "
    "DISTILLERY_DATA"
)
BY_ERRNO = {
    errno.ENOSPC: FULL, errno.EDQUOT: FULL, errno.EFBIG: FULL,
    errno.EACCES: FORBIDDEN, errno.EPERM: FORBIDDEN, errno.EROFS: FORBIDDEN,
}  # fmt: skip
DAMAGED = "It is damaged: put a copy of it in its place, or move it away to begin a new one"
# Primary result codes, https://sqlite.org/rescode.html
BY_SQLITE_CODE = {
    sqlite3.SQLITE_FULL: FULL,
    sqlite3.SQLITE_BUSY: "Another program holds it: close that program",
    sqlite3.SQLITE_LOCKED: "Another program holds it: close that program",
    sqlite3.SQLITE_READONLY: FORBIDDEN,
    sqlite3.SQLITE_PERM: FORBIDDEN,
    sqlite3.SQLITE_CANTOPEN: FORBIDDEN,
    sqlite3.SQLITE_CORRUPT: DAMAGED,
    sqlite3.SQLITE_NOTADB: DAMAGED,
    sqlite3.SQLITE_IOERR: "The disk reports an error: free some space, and check the disk",
}


class StorageError(ValueError):
    """Failed write that changed nothing; the message says what to do about it."""


def sqlite_code(error: sqlite3.Error) -> int:
    """Return SQLite's primary result code; 0 for an error of Python's sqlite3 module itself."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def is_environment_error(error: sqlite3.Error) -> bool:
    """Return whether the disk or another program caused the error, not the statement."""
    return sqlite_code(error) in BY_SQLITE_CODE


def storage_error(what: str, error: OSError | sqlite3.Error) -> StorageError:
    """Return the error for the user, with the reason and what to do; ``what`` could not be written."""
    if isinstance(error, sqlite3.Error):
        reason = BY_SQLITE_CODE.get(sqlite_code(error), str(error))
    else:
        reason = BY_ERRNO.get(error.errno or 0, error.strerror or str(error))
    return StorageError(f"{what} cannot be written. {reason}.")
