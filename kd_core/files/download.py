"""Fetches files from the network: resumed where they stopped, several hosts in turn, checked when they are whole."""

from __future__ import annotations

import hashlib
import http.client
import shutil
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from urllib import error as urls
from urllib import parse, request

from kd_core.files.archive import ProgressCallback, format_bytes, translate_write_errors

TIMEOUT = 30.0  # seconds without a byte
ATTEMPTS = 3  # at each host
PAUSE = 1.0  # seconds before the second attempt, twice that before the third
BLOCK = 1 << 18  # bytes
NEED_NONE = "The digits, the glyphs and the point sets need none."


@dataclass(frozen=True)
class RemoteFile:
    """A file on the network: the same one under each of ``urls``, with the ``md5`` that its makers published."""

    name: str  # on this disk
    urls: tuple[str, ...]
    md5: str

    def __post_init__(self) -> None:
        for url in self.urls:
            parts = parse.urlsplit(url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError(f"{url}: data are fetched from addresses that begin with https:// or http:// alone.")


def _opener() -> request.OpenerDirector:
    """Web addresses alone, also after a redirection: urllib's own opener would follow one to ftp."""
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
    """Why one host gave nothing."""

    message: str
    is_offline: bool = False
    is_final: bool = False  # asking again would not help


def download_file(remote: RemoteFile, folder: Path, report: ProgressCallback) -> Path:
    """The whole file in ``folder``, which exists, its checksum right. A file that is whole is not fetched again.

    Half a file is called ``.part`` and resumed at the next call, whatever ended this one. Raises ValueError with one
    sentence: no connection, another file than was published, a full disk. Call it
    inside :func:`~kd_core.files.lock.folder_lock`.
    """
    whole, part = folder / remote.name, folder / f"{remote.name}.part"
    if whole.exists():
        if _md5(whole) == remote.md5:
            return whole
        whole.unlink()
    troubles = []
    for url in remote.urls:
        for attempt in range(ATTEMPTS):
            time.sleep(PAUSE * attempt)
            trouble = _attempt(url, remote, part, report)
            if trouble is None:
                part.replace(whole)
                return whole
            if trouble.is_final or attempt == ATTEMPTS - 1:
                troubles.append(trouble)
                break
    raise ValueError(_sentence(remote, troubles))


def _attempt(url: str, remote: RemoteFile, part: Path, report: ProgressCallback) -> _HostError | None:
    """One request to one host; None if ``part`` is the whole file now."""
    host = parse.urlsplit(url).hostname
    was_begun = part.exists()
    try:
        _receive(url, remote.name, part, report)
    except urls.HTTPError as error:
        error.close()
        return _HostError(f"{host} answered {error.code} ({error.reason})", is_final=error.code < 500)
    except (urls.URLError, http.client.HTTPException, OSError) as error:
        # Nobody there: asking again would only make the reader wait. What broke off is tried again.
        is_final = isinstance(getattr(error, "reason", None), (socket.gaierror, ConnectionRefusedError, TimeoutError))
        return _HostError(f"{host}: {_why(error)}", is_offline=True, is_final=is_final)
    if _md5(part) == remote.md5:
        return None
    part.unlink()
    # The beginning may have been another file's: once more from there.
    return _HostError(
        f"{host} sent a file with another checksum than was published, and it was removed", is_final=not was_begun
    )


def _receive(url: str, name: str, part: Path, report: ProgressCallback) -> None:
    """Appends to ``part`` what is missing; starts over where the host cannot send the rest alone."""
    have = part.stat().st_size if part.exists() else 0
    asked = request.Request(url, headers={"User-Agent": "Distillery", "Accept-Encoding": "identity"})
    if have:
        asked.add_header("Range", f"bytes={have}-")
    try:
        answer = _opener().open(asked, timeout=TIMEOUT)
    except urls.HTTPError as error:
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE and have:
            error.close()
            return  # there is nothing after what is here: the checksum tells whether it is the file
        raise
    assert answer is not None
    with answer:
        is_rest = answer.status == http.client.PARTIAL_CONTENT
        if is_rest and not answer.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            part.unlink(missing_ok=True)
            raise ConnectionError("another part of the file came than was asked for")
        done = have if is_rest else 0
        stated = answer.headers.get("Content-Length", "")
        length = int(stated) if stated.isdecimal() else 0
        total = done + length if length else 0
        if length > (left := shutil.disk_usage(part.parent).free):
            raise ValueError(
                f"The disk is full: {name} needs {format_bytes(length)}, and {format_bytes(left)} are left."
            )
        with translate_write_errors(part.parent, name):
            out = part.open("ab" if done else "wb", buffering=0)
        with out:
            report(name, done, total)
            while block := answer.read1(BLOCK):
                with translate_write_errors(part.parent, name):
                    view = memoryview(block)
                    while view:
                        view = view[out.write(view) :]
                done += len(block)
                report(name, done, max(total, done))
        if done < total:
            raise ConnectionError("the connection broke off")


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        # Against damage on the way; the publishers of these files give no other checksum.
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _why(error: BaseException) -> str:
    reason = getattr(error, "reason", error)
    if isinstance(reason, TimeoutError):
        return f"no answer within {TIMEOUT:.0f} seconds"
    return str(getattr(reason, "strerror", None) or reason or type(error).__name__).rstrip(".")


def _sentence(remote: RemoteFile, troubles: list[_HostError]) -> str:
    if all(trouble.is_offline for trouble in troubles):
        hosts = " or ".join(dict.fromkeys(str(parse.urlsplit(url).hostname) for url in remote.urls))
        reason = troubles[-1].message.split(": ", 1)[1]
        return f"There is no connection to {hosts}: {reason}. {NEED_NONE}"
    said = "; ".join(dict.fromkeys(trouble.message for trouble in troubles))
    return f"{remote.name} could not be fetched: {said}. Try again later."
