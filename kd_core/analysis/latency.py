"""Latency of the networks of stored runs on this machine, measured in the background and cached."""

from __future__ import annotations

import functools
import json
import logging
import os
import platform
import queue
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from kd_core.base.events import Network
from kd_core.config.plan import LearnerPlan, build, find_by_role
from kd_core.config.run import RunConfig
from kd_core.datasets import load
from kd_core.nn import cost
from kd_core.schemes import plan_of

log = logging.getLogger(__name__)
BATCHES = (1, 64)  # examples per forward pass
PASSES = 200  # at most; a 95th percentile needs more of them than a median


@dataclass(frozen=True)
class Latency:
    """Median and 95th percentile of the seconds of a forward pass of ``batch`` examples, after a warm-up."""

    batch: int
    median: float
    p95: float
    passes: int


def latency_key(network: Network) -> str:
    """Return the cache key; networks with the same layers and inputs share it, on this machine only."""
    machine = f"{platform.node()} {platform.machine()} {torch.__version__}"
    return f"{network.model} | {network.parameters} parameters | {network.flops} FLOPs | {machine}"


def summary(times: Sequence[float], batch: int) -> Latency:
    """Return the latency from the seconds of each pass. Raises ValueError without any."""
    if not times:
        raise ValueError("A latency needs at least one pass.")
    p95 = np.percentile(times, 95, method="inverted_cdf")  # a measured time that 95 % of the passes do not exceed
    return Latency(batch, float(np.median(times)), float(p95), len(times))


class LatencyMeter:
    """Measures requested networks one by one in a thread that exists while there is work; results are in a file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._queue: queue.Queue[tuple[str, str, str]] = queue.Queue()  # key, configuration, role
        self._pending: set[str] = set()  # keys in the queue or being measured
        self._failures: dict[str, str] = {}  # sentences, by key
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def measurements(self) -> dict[str, list[Latency]]:
        """Return all cached latencies by key."""
        try:
            body = json.loads(self.path.read_text(encoding="utf-8"))
            return {key: [Latency(**fields) for fields in latencies] for key, latencies in body.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}  # no file yet, or a damaged one, after which measuring again costs a second

    @property
    def waiting(self) -> int:
        """Number of networks still to be measured."""
        with self._lock:
            return len(self._pending)

    def failure(self, key: str) -> str:
        """Return why a network could not be measured, as a sentence; empty if nothing failed."""
        return self._failures.get(key, "")

    def request(self, config_json: str, network: Network) -> None:
        """Measure a network of a run, unless its latency is cached."""
        key = latency_key(network)
        with self._lock:
            if key in self._pending or key in self.measurements():
                return
            self._pending.add(key)
            self._queue.put((key, config_json, network.role))
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="measuring latency", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        while True:
            with self._lock:
                if self._queue.empty():
                    self._thread = None
                    return
                key, config_json, role = self._queue.get()
            try:
                self._save(key, measure_latency(RunConfig.from_json_unchecked(config_json), role))
            except ValueError as error:
                self._failures[key] = str(error)
            except Exception:  # the thread must outlive any network
                log.exception("the latency of %s could not be measured", key)
                self._failures[key] = "The measurement failed; see the server's log."
            with self._lock:
                self._pending.discard(key)

    def _save(self, key: str, latencies: Sequence[Latency]) -> None:
        body = {name: [asdict(latency) for latency in each] for name, each in self.measurements().items()}
        body[key] = [asdict(latency) for latency in latencies]
        part = self.path.with_suffix(".part")
        part.write_text(json.dumps(body, indent=1), encoding="utf-8")
        os.replace(part, self.path)  # noqa: PTH105


def measure_latency(config: RunConfig, role: str) -> list[Latency]:
    """Measure one network of a configuration for every batch size, with random weights, which take the same time.

    Raises ValueError for a network that is made of others, and where the data set is not downloaded.
    """
    phases, data = plan_of(config), load(config.dataset)
    network = find_by_role(phases, role)
    if not isinstance(network, LearnerPlan):
        raise ValueError("It is made of other networks, so it has no latency of its own.")
    make = functools.partial(build, network, phases, data)
    return [summary(cost.pass_times(make, data.shape, batch, PASSES), batch) for batch in BATCHES]


@functools.cache
def get_latency_meter(folder: Path) -> LatencyMeter:
    """Return the latency meter of a data folder."""
    return LatencyMeter(folder / "latency.json")
