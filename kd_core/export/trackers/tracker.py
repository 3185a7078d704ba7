"""Interface of trackers, and the feed that turns the events and the result of a run into its calls."""

from __future__ import annotations

import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from kd_core.analysis.intervals import estimate_measure
from kd_core.analysis.verdict import FAILED, verdict
from kd_core.base.events import Event, Finished, Network, Prepared, Step, Validated
from kd_core.export.trackers.confusion_picture import confusion_pictures
from kd_core.schemes import comparison_of
from kd_core.store.store import Run, Store

PROJECT = "distillery"
COLUMNS = ("network", "layers", "parameters", "test accuracy", "low", "high", "agreement", "test loss")

Picture = NDArray[np.uint8]  # (H, W, 3)


class Tracker(ABC):
    """One run in a tracker's own format, in a folder of this machine.

    Args:
        folder: Where it is written; made if it does not exist.
        run: Id of the run, which becomes its name.
        settings: Flat settings of the run.
    """

    packages: ClassVar[tuple[str, ...]] = ()  # that must be installed

    @classmethod
    def missing(cls) -> str:
        """Return a sentence that says what to install; empty if nothing is missing."""
        names = [name for name in cls.packages if importlib.util.find_spec(name) is None]
        return f'{", ".join(names)} is not installed: pip install "distillery-lab[track]".' if names else ""

    @abstractmethod
    def __init__(self, folder: Path, run: str, settings: Mapping[str, str]) -> None: ...

    @abstractmethod
    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Write values by name, such as "student/loss", at a step; steps never decrease."""

    @abstractmethod
    def result(self, values: Mapping[str, float]) -> None:
        """Write the test metrics by name, once."""

    @abstractmethod
    def text(self, name: str, text: str) -> None:
        """Write a text."""

    @abstractmethod
    def picture(self, name: str, picture: Picture) -> None:
        """Write a picture."""

    @abstractmethod
    def table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Write a table."""

    @abstractmethod
    def close(self) -> None:
        """Write what is still in memory."""


class TrackerFeed:
    """Writes the events of one run into a tracker, in order; steps are counted over all phases."""

    def __init__(self, tracker: Tracker) -> None:
        self.tracker = tracker
        self.networks: list[Network] = []
        self._before: dict[str, int] = {}  # steps before each phase, as planned
        self._step, self._values = 0, dict[str, float]()
        self.error = ""  # of the tracker, while a run was followed

    def follow(self, event: Event) -> None:
        """Write an event of a run that trains, which an error of the tracker must not end; see :attr:`error`."""
        if not self.error:
            try:
                self.write(event)
            except Exception as error:  # of any package
                self.error = f"{type(error).__name__}: {error}"

    def write(self, event: Event) -> None:
        """Write one event."""
        if isinstance(event, Prepared):
            self.networks, done = event.networks, 0
            for phase in event.phases:
                self._before[phase.name] = done
                done += phase.epochs * phase.steps_per_epoch
        elif isinstance(event, Step):
            values = {f"{role}/loss": loss for role, loss in event.loss.items()}
            for role, parts in event.parts.items():
                values |= {f"{role}/part of loss/{part}": weighted for part, (_, weighted) in parts.items()}
            self._add(event, values | {"learning rate": event.learning_rate})
        elif isinstance(event, Validated):
            for part in ("accuracy", "loss", "agreement"):
                values = getattr(event, part)
                self._add(event, {f"{role}/validation {part}": value for role, value in values.items()})
        elif isinstance(event, Finished):
            self._flush()

    def finish(self, store: Store, run: Run) -> None:
        """Write test metrics, verdict, table and confusion matrices, as far as they exist, and close the tracker."""
        self._flush()
        test = run.test or {}
        self.tracker.result({
            f"test/{role}/{name}": float(metrics[name])
            for role, metrics in test.items()
            for name in ("accuracy", "loss", "agreement", "calibration_error")
            if name in metrics
        })  # fmt: skip
        result = FAILED if run.state == "failed" else verdict([test], comparison_of(run.config))
        self.tracker.text("verdict", result.sentence)
        rows = [_row(network, test[network.role]) for network in self.networks if network.role in test]
        self.tracker.table("networks", COLUMNS, rows)
        for role, picture in confusion_pictures(store, run).items():
            self.tracker.picture(f"confusion matrix/{role}", picture)
        self.tracker.close()

    def _add(self, event: Step | Validated, values: Mapping[str, float]) -> None:
        step = self._before.get(event.phase, 0) + event.step
        if step != self._step:
            self._flush()
            self._step = step
        self._values |= values

    def _flush(self) -> None:
        """Write all values of a step at once, since a tracker may not go back to an earlier one."""
        if self._values:
            self.tracker.scalars(self._values, self._step)
            self._values = {}


def _row(network: Network, metrics: Mapping[str, Any]) -> list[Any]:
    low, high = estimate_measure([{network.role: metrics}], network.role, "accuracy").examples_interval()
    agreement = metrics.get("agreement")
    return [network.role, network.model, network.parameters, metrics["accuracy"], low, high, agreement, metrics["loss"]]
