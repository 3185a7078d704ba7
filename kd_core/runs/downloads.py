"""Fetching in the background: one thread for each data set that somebody asked for, and how far it is."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass

from kd_core.datasets import Dataset, forget

log = logging.getLogger(__name__)


@dataclass
class Download:
    """``done`` and ``total`` are bytes of the file at hand; ``error`` is a sentence where it failed."""

    file: str = ""
    done: int = 0
    total: int = 0
    error: str = ""
    is_over: bool = False
    is_wanted: bool = True

    def report(self, what: str, done: int, total: int) -> None:
        """For :meth:`Dataset.download`."""
        if not self.is_wanted:
            raise ValueError("Stopped. What was fetched so far is kept, and the rest follows when you go on.")
        self.file, self.done, self.total = what, done, total


_errands: dict[str, Download] = {}
_starting = threading.Lock()


def start(dataset: Dataset) -> Download:
    """Fetches what is missing; a second call while it does joins the first one."""
    with _starting:
        known = _errands.get(dataset.name)
        if known is not None and not known.is_over:
            return known
        errand = _errands[dataset.name] = Download()
    threading.Thread(target=_run, args=(dataset, errand), name=f"fetching {dataset.name}", daemon=True).start()
    return errand


def latest(dataset: Dataset) -> Download | None:
    """The latest errand for a data set, if there was one."""
    return _errands.get(dataset.name)


def stop(dataset: Dataset) -> None:
    """Lets it go; what is there stays."""
    if errand := _errands.get(dataset.name):
        errand.is_wanted = False


def _run(dataset: Dataset, errand: Download) -> None:
    try:
        dataset.download(errand.report)
        forget(dataset)
    except ValueError as error:
        errand.error = str(error)
    except Exception:
        log.exception("fetching %s", dataset.name)
        errand.error = "Something went wrong while fetching; the server's log says more. Try again."
    finally:
        errand.is_over = True
