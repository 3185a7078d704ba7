"""Offline runs of Weights & Biases."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kd_core.export.trackers.tracker import PROJECT, Picture, Tracker


class WeightsAndBiases(Tracker):
    """Run in ``FOLDER/wandb/offline-run-...``, which ``wandb sync`` uploads if its owner wants to."""

    packages = ("wandb",)

    def __init__(self, folder: Path, run: str, settings: Mapping[str, str]) -> None:
        os.environ["WANDB_ERROR_REPORTING"] = "false"  # no data leaves this machine
        import wandb

        folder.mkdir(parents=True, exist_ok=True)
        quiet = wandb.Settings(silent=True, console="off", disable_git=True, disable_code=True, x_disable_stats=True)
        self._wandb: Any = wandb
        self._run: Any = wandb.init(
            project=PROJECT, name=run, config=dict(settings), dir=str(folder), mode="offline", settings=quiet,
            reinit="create_new",
        )  # fmt: skip

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        self._run.log(dict(values), step=step)

    def result(self, values: Mapping[str, float]) -> None:
        self._run.summary.update(dict(values))

    def text(self, name: str, text: str) -> None:
        self._run.summary[name] = text

    def picture(self, name: str, picture: Picture) -> None:
        self._run.log({name: self._wandb.Image(picture)})

    def table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        self._run.log({name: self._wandb.Table(columns=list(columns), data=[list(row) for row in rows])})

    def close(self) -> None:
        self._run.finish()
