"""HTTP download with resume, mirrors, checksum and progress."""

from __future__ import annotations

import hashlib
import http.client
import shutil
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from urllib import parse, request
from urllib.error import HTTPError, URLError

from kd_core.files.archive import ProgressCallback, format_bytes, translate_write_errors

TIMEOUT = 30.0  # seconds without a byte
ATTEMPTS = 3  # per host
PAUSE = 1.0  # seconds before the second attempt, twice that before the third
BLOCK_BYTES = 1 << 18
OFFLINE_HINT = "The digits, the glyphs and the point sets need none."


@dataclass(frozen=True)
class RemoteFile:
    """File on the network, the same under each of its URLs."""

    name: str  # on this disk
    urls: tuple[str, ...]
    md5: str  # as its makers published it

    def __post_init__(self) -> None:
        for url in self.urls:
            parts = parse.urlsplit(url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError(f"{url}: data are downloaded only from addresses that begin with https:// or http://.")


def _opener() -> request.OpenerDirector:
    """Return an opener for HTTP alone; urllib's default one would follow a redirection to ftp."""
    opener = request.OpenerDirector()
    for handler in (
        request.ProxyHandler(),
        request.UnknownHandler(),
        request.HTTPHandler(),
        request.HTTPSHandler(),
        request.HTTPDefaultErrorHandler(),
        request.HTTPRedirectHandler(),
        request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener


@dataclass(frozen=True)
class _HostError:
    """Failure of one request to one host."""

    message: str
    is_offline: bool = False
    is_final: bool = False  # another attempt would not help


def download_file(remote: RemoteFile, folder: Path, report: ProgressCallback) -> Path:
    """Download a file into ``folder``, which exists, and return its path. A complete file is not downloaded again.

    An incomplete file ends with ``.part`` and is resumed at the next call. Call this function inside
    :func:`~kd_core.files.lock.folder_lock`.

    Raises:
        ValueError: There is no connection, every host sends something else than was published, or the disk is full.
    """
    complete, part = folder / remote.name, folder / f"{remote.name}.part"
    if complete.exists():
        if _md5(complete) == remote.md5:
            return complete
        complete.unlink()
    errors = []
    for url in remote.urls:
        for attempt in range(ATTEMPTS):
            time.sleep(PAUSE * attempt)
            error = _attempt(url, remote, part, report)
            if error is None:
                part.replace(complete)
                return complete
            if error.is_final or attempt == ATTEMPTS - 1:
                errors.append(error)
                break
    raise ValueError(_error_message(remote, errors))


def _attempt(url: str, remote: RemoteFile, part: Path, report: ProgressCallback) -> _HostError | None:
    """Send one request to one host; return None if ``part`` is the complete file now."""
    host = parse.urlsplit(url).hostname
    is_resumed = part.exists()
    try:
        _receive(url, remote.name, part, report)
    except HTTPError as error:
        error.close()
        return _HostError(f"{host} answered {error.code} ({error.reason})", is_final=error.code < 500)
    except (URLError, http.client.HTTPException, OSError) as error:
        # A host that cannot be reached is not tried again; a connection that broke off is.
        is_final = isinstance(getattr(error, "reason", None), (socket.gaierror, ConnectionRefusedError, TimeoutError))
        return _HostError(f"{host}: {_reason(error)}", is_offline=True, is_final=is_final)
    if _md5(part) == remote.md5:
        return None
    part.unlink()
    # The part that was resumed may have belonged to another file, so another attempt starts from the beginning.
    return _HostError(
        f"{host} sent a file with another checksum than was published, and it was removed", is_final=not is_resumed
    )


def _receive(url: str, name: str, part: Path, report: ProgressCallback) -> None:
    """Append what is missing to ``part``; start over where the host cannot send a range."""
    size = part.stat().st_size if part.exists() else 0
    query = request.Request(url, headers={"User-Agent": "Distillery", "Accept-Encoding": "identity"})
    if size:
        query.add_header("Range", f"bytes={size}-")
    try:
        response = _opener().open(query, timeout=TIMEOUT)
    except HTTPError as error:
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE and size:
            error.close()
            return  # nothing is missing, and the checksum decides whether it is the right file
        raise
    assert response is not None
    with response:
        is_partial = response.status == http.client.PARTIAL_CONTENT
        if is_partial and not response.headers.get("Content-Range", "").startswith(f"bytes {size}-"):
            part.unlink(missing_ok=True)
            raise ConnectionError("another part of the file was sent than was requested")
        done = size if is_partial else 0
        stated = response.headers.get("Content-Length", "")
        length = int(stated) if stated.isdecimal() else 0
        total = done + length if length else 0
        if length > (free := shutil.disk_usage(part.parent).free):
            raise ValueError(
                f"The disk is full: {name} needs {format_bytes(length)}, and {format_bytes(free)} are left."
            )
        with translate_write_errors(part.parent, name):
            out = part.open("ab" if done else "wb", buffering=0)
        with out:
            report(name, done, total)
            while block := response.read1(BLOCK_BYTES):
                with translate_write_errors(part.parent, name):
                    view = memoryview(block)
                    while view:  # an unbuffered file may write less than it is given
                        view = view[out.write(view) :]
                done += len(block)
                report(name, done, max(total, done))
        if done < total:
            raise ConnectionError("the connection broke off")


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        # Against damage during the transfer; the publishers of these files give no other checksum.
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _reason(error: BaseException) -> str:
    reason = getattr(error, "reason", error)
    if isinstance(reason, TimeoutError):
        return f"no answer within {TIMEOUT:.0f} seconds"
    return str(getattr(reason, "strerror", None) or reason or type(error).__name__).rstrip(".")


def _error_message(remote: RemoteFile, errors: list[_HostError]) -> str:
    if all(error.is_offline for error in errors):
        hosts = " or ".join(dict.fromkeys(str(parse.urlsplit(url).hostname) for url in remote.urls))
        reason = errors[-1].message.split(": ", 1)[1]
        return f"There is no connection to {hosts}: {reason}. {OFFLINE_HINT}"
    reasons = "; ".join(dict.fromkeys(error.message for error in errors))
    return f"{remote.name} could not be downloaded: {reasons}. Try again later."
