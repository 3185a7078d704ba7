"""How long networks of stored runs take to answer on this machine: measured when asked for, beside the screen, and kept
for every network of the same kind."""

from __future__ import annotations

import functools
import json
import logging
import os
import platform
import queue
import statistics
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from kd_core.base.events import Network
from kd_core.config.plan import LearnerPlan, build, find_by_role
from kd_core.config.run import RunConfig
from kd_core.datasets import load
from kd_core.nn import cost
from kd_core.schemes import plan_of

log = logging.getLogger(__name__)
BATCHES = (1, 64)  # examples at once
PASSES = 200  # at most: a 95th percentile wants more of them than a median


@dataclass(frozen=True)
class Latency:
    """Seconds of one forward pass of ``batch`` examples, after a warm-up: the median and the 95th percentile."""

    batch: int
    median: float
    p95: float
    passes: int


def latency_key(network: Network) -> str:
    """Under which a network's times are kept: networks of the same layers on the same inputs on this machine."""
    here = f"{platform.node()} {platform.machine()} {torch.__version__}"
    return f"{network.model} | {network.parameters} parameters | {network.flops} FLOPs | {here}"


def summary(times: Sequence[float], batch: int) -> Latency:
    """Raises ValueError without any time."""
    if not times:
        raise ValueError("A latency needs at least one pass.")
    ordered = sorted(times)
    # The smallest time that at least 95 % of the passes do not exceed.
    return Latency(batch, statistics.median(ordered), ordered[-(-95 * len(ordered) // 100) - 1], len(ordered))


class LatencyMeter:
    """One thread measures what is asked for, one network after the other; without work there is none."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._waiting: queue.Queue[tuple[str, str, str]] = queue.Queue()
        self._asked: set[str] = set()
        self._failed: dict[str, str] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def known(self) -> dict[str, list[Latency]]:
        """All that was ever measured, by kind."""
        try:
            body = json.loads(self.path.read_text(encoding="utf-8"))
            return {kind: [Latency(**own) for own in found] for kind, found in body.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}  # nothing yet, or a damaged file: measuring again costs a second

    @property
    def waiting(self) -> int:
        """Networks that are still to be measured."""
        with self._lock:
            return len(self._asked)

    def failed(self, kind: str) -> str:
        """Why a kind could not be measured, as a sentence; empty if it could, or was not asked for."""
        return self._failed.get(kind, "")

    def ask(self, text: str, network: Network) -> None:
        """Measures a network of a run, unless it is known. ``text``: ``RunConfig.to_json()`` of that run."""
        kind = latency_key(network)
        with self._lock:
            if kind in self._asked or kind in self.known():
                return
            self._asked.add(kind)
            self._waiting.put((kind, text, network.role))
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="measuring latency", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        while True:
            with self._lock:
                if self._waiting.empty():
                    self._thread = None
                    return
                kind, text, role = self._waiting.get()
            try:
                self._keep(kind, measure_latency(RunConfig.from_json_unchecked(text), role))
            except ValueError as error:
                self._failed[kind] = str(error)
            except Exception:  # the thread must outlive any network
                log.exception("%s could not be measured", kind)
                self._failed[kind] = "It could not be measured; the server's log says why."
            with self._lock:
                self._asked.discard(kind)

    def _keep(self, kind: str, found: Sequence[Latency]) -> None:
        body = {name: [asdict(own) for own in kept] for name, kept in self.known().items()}
        body[kind] = [asdict(own) for own in found]
        part = self.path.with_suffix(".part")
        part.write_text(json.dumps(body, indent=1), encoding="utf-8")
        os.replace(part, self.path)  # noqa: PTH105


def measure_latency(config: RunConfig, role: str) -> list[Latency]:
    """One network of a configuration, with weights that were not trained: they take the same time.

    Raises ValueError for one that is made of others, and where the data are not here.
    """
    phases, data = plan_of(config), load(config.dataset)
    own = find_by_role(phases, role)
    if not isinstance(own, LearnerPlan):
        raise ValueError("It is made of other networks, so it has no time of its own.")
    make = functools.partial(build, own, phases, data)
    return [summary(cost.pass_times(make, data.shape, batch, PASSES), batch) for batch in BATCHES]


@functools.cache
def get_latency_meter(folder: Path) -> LatencyMeter:
    """The one of a data folder."""
    return LatencyMeter(folder / "latency.json")
