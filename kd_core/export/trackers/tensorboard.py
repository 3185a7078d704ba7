"""Event files of TensorBoard."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kd_core.export.trackers.tracker import Picture, Tracker


class TensorBoard(Tracker):
    """Writer of one folder per run, which ``tensorboard --logdir FOLDER`` reads."""

    packages = ("tensorboard",)

    def __init__(self, folder: Path, run: str, settings: Mapping[str, str]) -> None:
        with warnings.catch_warnings():  # tensorboard uses an outdated function of its own dependencies
            warnings.simplefilter("ignore", DeprecationWarning)
            from torch.utils.tensorboard import SummaryWriter
        self._writer: Any = SummaryWriter(str(folder / run))
        self._settings = dict(settings)

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def result(self, values: Mapping[str, float]) -> None:
        self._writer.add_hparams(self._settings, dict(values), run_name=".")

    def text(self, name: str, text: str) -> None:
        self._writer.add_text(name, text)

    def picture(self, name: str, picture: Picture) -> None:
        self._writer.add_image(name, picture, dataformats="HWC")

    def table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        lines = [columns, ["---"] * len(columns), *rows]  # TensorBoard shows Markdown
        self.text(name, "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines))

    def close(self) -> None:
        self._writer.close()
