"""The newest checkpoint of a run and the one before it: a damaged file costs some seconds of training, not the run."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

from kd_core.checkpoint import Checkpoint

log = logging.getLogger(__name__)

BEFORE = (
    "The last checkpoint of this run could not be used, so it went on from the one before it, with the same numbers."
)
AFRESH = "No checkpoint of this run could be used, so it began again at the beginning, with the same numbers."


class Generations:
    """``folder`` is that of the run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.newest, self.previous = folder / "checkpoint.safetensors", folder / "checkpoint.previous.safetensors"

    def write(self, state: Checkpoint) -> None:
        """Raises OSError, and what was there is still there."""
        self.folder.mkdir(parents=True, exist_ok=True)
        state.write(self.newest, self.previous)

    def found(self) -> Iterator[tuple[Checkpoint | None, str]]:
        """What one can go on from: the newest first, at last None, which is the beginning. Who asks for the next one
        has refused the one before; the sentence says so to the reader, and is empty for the usual one."""
        was_refused = False
        for path in (self.newest, self.previous):
            try:
                state = Checkpoint.read(path)
            except FileNotFoundError:  # of the newest as well: the process ended between two renames
                continue
            except (OSError, ValueError) as error:
                log.warning("the checkpoint %s cannot be read: %s", path, error)
                was_refused = True
                continue
            yield state, BEFORE if was_refused else ""
            was_refused = True
        yield None, AFRESH if was_refused else ""

    def settle(self) -> None:
        """Removes the one before: the run is over, and a whole checkpoint of its end is there."""
        self.previous.unlink(missing_ok=True)
