"""Trainer that can be saved to a file and resumed from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Self

from kd_core.base import devices
from kd_core.config.python_parts import provide_python_parts
from kd_core.config.run import RunConfig
from kd_core.files.checkpoint import Checkpoint
from kd_core.training import loop


class Trainer(loop.Trainer):
    """Training of one run as an iterable of events.

    Iterating trains; between two events :meth:`adjust` changes a live option, :meth:`stop` ends the run, and
    :meth:`save` writes everything that is needed to go on. A loop that was left with ``break`` goes on where it was in
    the next one. ``networks`` holds the networks trained so far, by role.
    """

    def __init__(self, config: RunConfig, *, device: str | None = None, **resumed: Any) -> None:
        """Prepare the training.

        Args:
            config: what determines the run.
            device: where to train; by default as the configuration says.
            resumed: further arguments of :class:`kd_core.training.loop.Trainer`.

        Raises:
            ValueError: if ``config`` is no configuration, or this machine does not have the device.
        """
        if not isinstance(config, RunConfig):
            raise ValueError(
                f"config: a {type(config).__name__} was given; it must be a kd.RunConfig, such as "
                'kd.RunConfig(dataset="moons").'
            )
        super().__init__(config, device=device and devices.resolve(devices.numbered(device)), **resumed)

    def save(self, path: str | Path) -> None:
        """Write the state of the training to a file. Raises OSError, and then an earlier file is still there."""
        self.checkpoint().write(Path(path))

    @classmethod
    def load(cls, path: str | Path, *, device: str | None = None, **objects: Any) -> Self:
        """Return a trainer that goes on where :meth:`save` was called, with the same events as without a break.

        Args:
            path: the file.
            device: where to train; by default as the configuration says.
            objects: the modules, functions and data from Python with which the training began, by argument, as in
                ``student=net``.

        Raises:
            OSError: if there is no such file.
            ValueError: if it is no checkpoint of a run, if an object is missing, or if a given one differs.
        """
        state = Checkpoint.read(Path(path))
        if len(state.values.get("configs", ())) != 1:
            raise ValueError(f"{path} is not the checkpoint of a run.")
        (config,) = state.values["configs"]
        changed = provide_python_parts(json.loads(config), objects)
        trainer = cls(RunConfig.from_json(config), device=device, resume=state)
        roles = {learner.role for phase in trainer.phases for learner in phase.learners}
        if changed and roles - trainer.networks.keys():  # the others have their weights from the file
            raise ValueError(
                f"{changed[0]}: it differs from what the training began with, and some networks have yet to be built "
                "from it. Give the same weights again."
            )
        return trainer
