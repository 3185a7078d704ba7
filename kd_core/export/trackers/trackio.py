"""SQLite store of Trackio."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kd_core.export.trackers.tracker import PROJECT, Picture, Tracker


class Trackio(Tracker):
    """Run in the project "distillery" of a folder, which ``TRACKIO_DIR=FOLDER trackio show`` displays."""

    packages = ("trackio",)

    def __init__(self, folder: Path, run: str, settings: Mapping[str, str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        os.environ["TRACKIO_DIR"] = str(folder.resolve())  # read once, when Trackio is imported
        import trackio

        if (first := trackio.utils.TRACKIO_DIR) != folder.resolve():
            raise ValueError(f"out = {folder}: Trackio writes into one folder per process, and that is {first}.")
        self._trackio: Any = trackio
        with contextlib.redirect_stdout(None):  # which may be read as JSON
            trackio.init(
                project=PROJECT, name=run, config=dict(settings), embed=False, auto_log_gpu=False, auto_log_cpu=False
            )

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        self._trackio.log(dict(values), step=step)

    def result(self, values: Mapping[str, float]) -> None:
        self._trackio.log(dict(values))

    def text(self, name: str, text: str) -> None:
        self._trackio.log({name: text})

    def picture(self, name: str, picture: Picture) -> None:
        self._trackio.log({name: self._trackio.Image(picture)})

    def table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        import pandas as pd

        self._trackio.log({name: self._trackio.Table(dataframe=pd.DataFrame(rows, columns=list(columns)))})

    def close(self) -> None:
        with contextlib.redirect_stdout(None):
            self._trackio.finish()
