"""Actor that trains parts on a node of a Ray cluster.

Messages are bytes, so that the processes of Ray between the driver and the worker import neither torch nor the
engine. Nothing but the standard library is imported before a worker is made.
"""

from __future__ import annotations

import importlib.util
import os
import pickle
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kd_core.runs.cluster.part import PartTrainer

SENT = "distillery_sent"  # package that holds the plug-in folders sent with a job


def adopt_plugins() -> None:
    """Use the plug-in folders that came with the job, before anything reads the registry."""
    spec = importlib.util.find_spec(SENT)
    if spec is not None and spec.submodule_search_locations:
        folders = sorted(path for path in Path(next(iter(spec.submodule_search_locations))).iterdir() if path.is_dir())
        os.environ["DISTILLERY_PLUGINS"] = os.pathsep.join(map(str, folders))


def describe() -> dict[str, Any]:
    """Return what must be the same on every node, and what may make last digits differ."""
    adopt_plugins()
    facts: dict[str, Any] = {"node": platform.node(), "python": platform.python_version(), "torch": "", "error": ""}
    try:
        import torch

        import kd_core
    except ImportError as error:
        return {**facts, "error": str(error)}
    return {
        **facts,
        "torch": torch.__version__,
        "distillery": kd_core.__version__,
        "processor": f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}",
    }


class NodeWorker:
    """Worker that trains one part after the other on the device that Ray gave it."""

    def __init__(self, device: str) -> None:
        adopt_plugins()
        from kd_core.base.process import keep_freed_memory

        keep_freed_memory()
        self.device = device
        self._trainer: PartTrainer | None = None

    def process(self) -> tuple[str, int]:
        """Return node and process, for messages and for tests that end it."""
        return platform.node(), os.getpid()

    def begin(self, message: bytes, files: bytes, *phases: bytes) -> bytes:
        """Place the files, download what is missing, and build the trainer; return the first report."""
        from kd_core.runs.cluster.files import place_files
        from kd_core.runs.cluster.part import DATA, Report, merged, start_part

        self._trainer = None
        place_files(pickle.loads(files))  # of the driver, which runs this code
        part = pickle.loads(message)
        try:
            for dataset in dict.fromkeys(config.dataset for config in part.configs):
                if not dataset.is_available():
                    dataset.download(lambda *_: None)
        except (ValueError, OSError) as error:
            reason = f"The node {platform.node()} lacks data: {error}"
            return pickle.dumps(Report(problem=DATA, reason=reason))
        self._trainer, report = start_part(part, self.device, merged([pickle.loads(some) for some in phases]))
        return pickle.dumps(report)

    def send(self, message: bytes) -> None:
        """Send a command to the trainer, if the part could be begun."""
        if self._trainer is not None:
            self._trainer.control.send(pickle.loads(message))

    def advance(self, *, is_checkpoint_due: bool, condemned: list[int]) -> bytes:
        """End some runs of the part, and train until the next report."""
        assert self._trainer is not None
        return pickle.dumps(self._trainer.advance(is_checkpoint_due=is_checkpoint_due, condemned=condemned))

    def phases(self) -> bytes:
        """Return the trained phases that others may share."""
        assert self._trainer is not None
        return pickle.dumps(self._trainer.phases())
