"""Background downloads of data sets, one thread per data set."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass

from kd_core.datasets import Dataset, forget

log = logging.getLogger(__name__)


@dataclass
class Download:
    """Progress of a download in bytes of the current file; ``error`` is a sentence where it failed."""

    file: str = ""
    done: int = 0
    total: int = 0
    error: str = ""
    is_over: bool = False
    is_wanted: bool = True

    def report(self, file: str, done: int, total: int) -> None:
        """Update the progress; the callback of :meth:`Dataset.download`. Raises ValueError to stop the download."""
        if not self.is_wanted:
            raise ValueError("Download stopped. The part that is already here is kept for the next attempt.")
        self.file, self.done, self.total = file, done, total


_downloads: dict[str, Download] = {}  # the latest by data set
_starting = threading.Lock()


def start(dataset: Dataset) -> Download:
    """Download what is missing of a data set, or return the download that is already running."""
    with _starting:
        running = _downloads.get(dataset.name)
        if running is not None and not running.is_over:
            return running
        download = _downloads[dataset.name] = Download()
    name = f"download of {dataset.name}"
    threading.Thread(target=_run, args=(dataset, download), name=name, daemon=True).start()
    return download


def latest(dataset: Dataset) -> Download | None:
    """Return the latest download of a data set, or None."""
    return _downloads.get(dataset.name)


def stop(dataset: Dataset) -> None:
    """Stop the download of a data set and keep the part that is already here."""
    if download := _downloads.get(dataset.name):
        download.is_wanted = False


def _run(dataset: Dataset, download: Download) -> None:
    try:
        dataset.download(download.report)
        forget(dataset)
    except ValueError as error:
        download.error = str(error)
    except Exception:
        log.exception("download of %s failed", dataset.name)
        download.error = "The download failed; see the server's log. Try again."
    finally:
        download.is_over = True
