"""Stored runs in the formats of trackers, by name."""

from __future__ import annotations

import importlib
from pathlib import Path

from kd_core.config.run import RunConfig
from kd_core.export.trackers.tracker import Tracker, TrackerFeed
from kd_core.store.records import ACTIVE
from kd_core.store.store import Run, Store

TRACKERS = {
    "tensorboard": ("tensorboard", "TensorBoard"),
    "mlflow": ("mlflow", "MLflow"),
    "wandb": ("wandb", "WeightsAndBiases"),
    "trackio": ("trackio", "Trackio"),
}  # module and class, by name


def tracker_class(name: str) -> type[Tracker]:
    """Return the class of a tracker. Raises ValueError for another name, and ImportError for a missing package."""
    if name not in TRACKERS:
        raise ValueError(f"track = {name}: choose one of {', '.join(TRACKERS)}.")
    module, cls = TRACKERS[name]
    tracker: type[Tracker] = getattr(importlib.import_module(f"kd_core.export.trackers.{module}"), cls)
    if missing := tracker.missing():
        raise ImportError(missing)
    return tracker


def open_feed(name: str, config: RunConfig, run: str, out: Path) -> TrackerFeed:
    """Return the feed of a run that trains or has ended, into the folder ``out``.

    Raises ValueError for another name than those in :data:`TRACKERS`, and ImportError without the tracker's package.
    """
    settings = {name: text for name, text in config.flat().items() if text}
    return TrackerFeed(tracker_class(name)(out, run, settings))


def export_to_tracker(name: str, store: Store, run: Run, out: Path) -> None:
    """Write a stored run with all its events into the folder ``out``. Raises as :func:`open_feed`."""
    if run.state in ACTIVE:
        raise ValueError(f"The run {run.id} still trains. Wait until it has ended.")
    feed = open_feed(name, run.config, run.id, out)
    for _, event in store.iter_events(run.id):
        feed.write(event)
    feed.finish(store, run)


def tensorboard(store: Store, run: Run, role: str, out: Path) -> None:  # noqa: ARG001  # all networks are written
    """Write a run as event files of TensorBoard."""
    export_to_tracker("tensorboard", store, run, out)


def mlflow(store: Store, run: Run, role: str, out: Path) -> None:  # noqa: ARG001
    """Write a run into the SQLite store of MLflow."""
    export_to_tracker("mlflow", store, run, out)


def wandb(store: Store, run: Run, role: str, out: Path) -> None:  # noqa: ARG001
    """Write a run as an offline run of Weights & Biases."""
    export_to_tracker("wandb", store, run, out)


def trackio(store: Store, run: Run, role: str, out: Path) -> None:  # noqa: ARG001
    """Write a run into the SQLite store of Trackio."""
    export_to_tracker("trackio", store, run, out)
