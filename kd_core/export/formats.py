"""Formats in which a run or one of its networks leaves, and the one function that exports."""

from __future__ import annotations

import importlib
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from kd_core.base.errors import storage_error
from kd_core.base.options import shorten
from kd_core.base.process import child_environment
from kd_core.export.code import sentences_on_changes
from kd_core.export.network.graphs import INSTALL, ONNX_PACKAGES
from kd_core.export.network.stored import Content, Networks, file_stem, load_network
from kd_core.export.packages import missing_packages
from kd_core.store.store import Run, Store

_one_process = threading.Lock()

TRACK = '"distillery-lab[track]"'
NETWORK, RUN, CONFIG, FOLDER = "network", "run", "config", "folder"


@dataclass(frozen=True)
class Export:
    """One exported file with sentences on it (``notes``) and on parts that could not be made (``missing``)."""

    name: str
    media_type: str
    content: bytes
    notes: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class Format:
    """One format.

    Attributes:
        title: On the screen.
        ending: Of the file's name.
        media_type: For the browser.
        takes: What the function takes: a "network" (:class:`~kd_core.export.network.stored.StoredNetwork`), a "run"
            (store and run), or its "config" and sentences on ``changes`` by hand. That of a "folder" takes store, run,
            role and the path of the folder, and writes it.
        target: "module:function" below ``kd_core.export``; it returns text, bytes, or
            :class:`~kd_core.export.network.stored.Content`.
        traces: Whether it calls ``torch.export`` or its ONNX exporter, see :func:`export_beside_training`.
        packages: That it needs beyond the required ones.
        install: What pip installs for these.
    """

    title: str
    ending: str
    media_type: str
    takes: str
    target: str
    traces: bool = False
    packages: tuple[str, ...] = ()
    install: str = ""

    @property
    def missing(self) -> str:
        """A sentence that says how to get the packages that are not installed; "" if all are."""
        return missing_packages(self.title, self.packages, self.install)

    def function(self) -> Callable[..., Any]:
        """Import and return the function."""
        module, name = self.target.split(":")
        function: Callable[..., Any] = getattr(importlib.import_module(f"kd_core.export.{module}"), name)
        return function


def _tracker(title: str, name: str) -> Format:
    return Format(title, "", "", FOLDER, f"trackers.export:{name}", packages=(name,), install=TRACK)


FORMATS = {
    "zip": Format("All in one ZIP", ".zip", "application/zip", NETWORK, "network.archive:make_archive", traces=True),
    "safetensors": Format("Weights", ".safetensors", "application/octet-stream", NETWORK, "network.files:safetensors"),
    "onnx": Format(
        "ONNX", ".onnx", "application/octet-stream", NETWORK, "network.files:onnx", True, ONNX_PACKAGES, INSTALL
    ),
    "pt2": Format(
        "torch.export program", ".pt2", "application/octet-stream", NETWORK, "network.files:pt2", traces=True
    ),
    "csv": Format("Record as CSV", ".csv", "text/csv", RUN, "records:csv_record"),
    "json": Format("Record as JSON", ".json", "application/json", RUN, "records:json_record"),
    "parquet": Format(
        "Record as parquet",
        ".parquet",
        "application/vnd.apache.parquet",
        RUN,
        "records:parquet_record",
        packages=("pyarrow",),
        install='"distillery-lab[tables]"',
    ),
    "html": Format("Report", ".html", "text/html", RUN, "report:report"),
    "code": Format("Script in plain PyTorch", ".py", "text/x-python", CONFIG, "code:script"),
    "notebook": Format("Notebook in plain PyTorch", ".ipynb", "application/x-ipynb+json", CONFIG, "code:notebook"),
    "tensorboard": _tracker("TensorBoard", "tensorboard"),
    "mlflow": _tracker("MLflow", "mlflow"),
    "wandb": _tracker("Weights & Biases, offline", "wandb"),
    "trackio": _tracker("Trackio", "trackio"),
}


def export(store: Store, run: str, role: str = "", to: str = "zip", networks: Networks | None = None) -> Export:
    """Return a run, or one of its networks, as one file.

    Args:
        store: Where the run is stored.
        run: Its id.
        role: Of the network: "student", "teacher", "baseline" or another of the run; without one the student that the
            verdict is about.
        to: One of :data:`FORMATS`.
        networks: Gives the networks by role; by default those of the stored weights.

    Raises:
        ValueError: if there is no such run, network or format, or if the network is not a result.
        ImportError: if the format needs a package that is not installed.
    """
    chosen, row = find_format(to), find_run(store, run)
    if chosen.missing:
        raise ImportError(chosen.missing)
    if chosen.takes == FOLDER:
        raise ValueError(f"to = {to}: this format is a folder: name one with out=FOLDER.")
    if chosen.takes == NETWORK:
        network = load_network(store, row, role, networks)
        made, role = chosen.function()(network), network.role
    elif chosen.takes == RUN:
        made = chosen.function()(store, row)
    else:
        changes = [event for _, event in store.iter_events(row.id, kinds=("adjusted",))]
        made = chosen.function()(row.config, changes=sentences_on_changes(changes))
    if not isinstance(made, Content):
        made = Content(made.encode() if isinstance(made, str) else made)
    return Export(file_name(row, to, role), chosen.media_type, made.content, made.notes, made.missing)


def export_beside_training(
    store: Store, run: str, role: str = "", to: str = "zip", networks: Networks | None = None
) -> Export:
    """Return :func:`export` of a stored run, without an effect on runs that train in this process.

    While ``torch.export`` traces a network, it changes functions of torch for all threads: a run that is trained
    meanwhile gets other numbers, or ends with a KeyError. So a process of its own does it, one at a time.

    Raises:
        ValueError: as :func:`export`, or if that process fails.
        ImportError: as :func:`export`.
    """
    chosen = find_format(to)
    if not chosen.traces:
        return export(store, run, role, to, networks)
    if chosen.missing:
        raise ImportError(chosen.missing)
    row = find_run(store, run)
    environment = child_environment(DISTILLERY_DATA=str(store.path.parent.resolve()))
    with _one_process, TemporaryDirectory() as folder:
        out = Path(folder) / f"export{chosen.ending}"
        command = [sys.executable, "-m", "kd_core", "export", run, f"to={to}", f"out={out}", f"role={role}"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, encoding="utf-8", check=False)
        if done.returncode or not out.is_file():
            raise ValueError(done.stderr.strip().rpartition("\n")[2] or f"The export of {run} ended without a file.")
        return Export(
            file_name(row, to, role), chosen.media_type, out.read_bytes(), tuple(done.stdout.splitlines()[1:])
        )


def write(  # noqa: PLR0917
    store: Store, run: str, to: str = "zip", out: str | Path | None = None, role: str = "",
    networks: Networks | None = None,
) -> tuple[Path, Export | None]:  # fmt: skip
    """Write an export to a file or folder; return its path, and the file.

    Args:
        store: As in :func:`export`.
        run: As in :func:`export`.
        to: As in :func:`export`, or a format that is a folder, of which only the path is returned.
        out: Path of the file, or a folder for it; by default the current one.
        role: As in :func:`export`.
        networks: As in :func:`export`.

    Raises:
        ValueError: as :func:`export`, and for a folder that does not exist.
        ImportError: as :func:`export`.
        StorageError: if the file cannot be written.
    """
    chosen, path = find_format(to), Path(out or ".")
    if chosen.takes == FOLDER:
        if chosen.missing:
            raise ImportError(chosen.missing)
        path = Path(out or f"{to}-{run}")
        chosen.function()(store, find_run(store, run), role, path)
        return path, None
    if not (path if path.is_dir() else path.parent).is_dir():
        raise ValueError(f"out = {shorten(str(path))}: {path.parent} is not a folder: choose one that exists.")
    exported = export(store, run, role, to, networks)
    path = path / exported.name if path.is_dir() else path
    try:
        path.write_bytes(exported.content)
    except OSError as error:
        raise storage_error(f"The file {path.name}", error) from error
    return path, exported


def find_format(to: str) -> Format:
    """Return the format of a name. Raises ValueError."""
    if to not in FORMATS:
        raise ValueError(f"to = {shorten(str(to))}: choose one of {', '.join(FORMATS)}.")
    return FORMATS[to]


def find_run(store: Store, run: str) -> Run:
    """Return a stored run. Raises ValueError for one that is deleted or never was, and for a sweep."""
    row = store.run(run)
    if row is not None:
        return row
    if members := store.members(run):
        raise ValueError(f"{run} is a sweep. Choose one of its {len(members)} runs, such as {members[0].id}.")
    raise ValueError(f"There is no run {shorten(run)} in {store.path.parent}; it may have been deleted.")


def file_name(run: Run, to: str, role: str) -> str:
    """Return the name of an exported file; ``role`` is that of the network."""
    chosen = FORMATS[to]
    return f"{file_stem(role) if chosen.takes == NETWORK else 'run'}-{run.id}{chosen.ending}"
