"""Store of MLflow in a folder."""

from __future__ import annotations

import importlib.util
import os
import re
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kd_core.export.trackers.tracker import PROJECT, Picture, Tracker

LONGEST, MOST_METRICS, MOST_PARAMETERS = 6000, 1000, 100  # characters of a parameter; values of one request
FORBIDDEN = re.compile(r"[^\w.\- :/]")  # characters in the name of a metric


class MLflow(Tracker):
    """Run in ``FOLDER/mlflow.db``, which ``mlflow ui --backend-store-uri sqlite:///FOLDER/mlflow.db`` shows.

    Without SQLAlchemy, which mlflow-skinny does not bring, it is in the files of ``FOLDER/mlruns``.
    """

    packages = ("mlflow",)

    def __init__(self, folder: Path, run: str, settings: Mapping[str, str]) -> None:
        os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # no data leaves this machine
        folder = folder.resolve()
        folder.mkdir(parents=True, exist_ok=True)
        uri = f"sqlite:///{folder}/mlflow.db"
        if any(importlib.util.find_spec(name) is None for name in ("sqlalchemy", "alembic")):
            os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"  # else MLflow refuses the format, which it still reads
            uri = (folder / "mlruns").as_uri()
        from mlflow import MlflowClient
        from mlflow.entities import Param

        self._client: Any = MlflowClient(tracking_uri=uri)
        stored = self._client.get_experiment_by_name(PROJECT)
        experiment = stored.experiment_id if stored else self._client.create_experiment(
            PROJECT, artifact_location=(folder / "mlflow-artifacts").as_uri()
        )  # fmt: skip
        self._run: str = self._client.create_run(experiment, run_name=run).info.run_id
        parameters = [Param(name, text[:LONGEST]) for name, text in settings.items()]
        for first in range(0, len(parameters), MOST_PARAMETERS):
            self._client.log_batch(self._run, params=parameters[first : first + MOST_PARAMETERS])
        self._waiting: list[Any] = []

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self._waiting += [Metric(FORBIDDEN.sub(" ", name), value, now, step) for name, value in values.items()]
        if len(self._waiting) >= MOST_METRICS - 100:
            self._write()

    def result(self, values: Mapping[str, float]) -> None:
        self.scalars(values, 0)

    def text(self, name: str, text: str) -> None:
        self._client.log_text(self._run, text, f"{name}.txt")

    def picture(self, name: str, picture: Picture) -> None:
        self._client.log_image(self._run, picture, f"{name}.png")

    def table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        by_column = {column: [row[number] for row in rows] for number, column in enumerate(columns)}
        with warnings.catch_warnings():  # MLflow selects the columns of pictures in a way that pandas 4 will change
            warnings.filterwarnings("ignore", message=".*'str' dtypes are included by")
            self._client.log_table(self._run, by_column, f"{name}.json")

    def close(self) -> None:
        self._write()
        self._client.set_terminated(self._run)

    def _write(self) -> None:
        for first in range(0, len(self._waiting), MOST_METRICS):
            self._client.log_batch(self._run, metrics=self._waiting[first : first + MOST_METRICS])
        self._waiting = []
