"""Trainer that can be saved to a file and resumed from it."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from kd_core.config.run import RunConfig
from kd_core.files.checkpoint import Checkpoint
from kd_core.training import loop


class Trainer(loop.Trainer):
    """Training of one run as an iterable of events.

    Iterating trains; between two events :meth:`adjust` changes a live option, :meth:`stop` ends the run, and
    :meth:`save` writes everything that is needed to go on. A loop that was left with ``break`` goes on where it was in
    the next one. ``networks`` holds the networks trained so far, by role.
    """

    def save(self, path: str | Path) -> None:
        """Write the state of the training to a file. Raises OSError, and then an earlier file is still there."""
        self.checkpoint().write(Path(path))

    @classmethod
    def load(cls, path: str | Path, *, device: str | None = None) -> Self:
        """Return a trainer that goes on where :meth:`save` was called, with the same events as without a break.

        Raises:
            OSError: if there is no such file.
            ValueError: if it is no checkpoint of a run.
        """
        state = Checkpoint.read(Path(path))
        if "config" not in state.values:
            raise ValueError(f"{path} is not the checkpoint of a run.")
        return cls(RunConfig.from_json(state.values["config"]), device=device, resume=state)
