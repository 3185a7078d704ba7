"""Workers that are actors of a Ray cluster, reached by Ray Client."""

from __future__ import annotations

import contextlib
import pickle
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from kd_core.runs.cluster.executor import ClusterGoneError, LostError
from kd_core.runs.cluster.node import NodeWorker
from kd_core.runs.cluster.part import MEMORY, Part, Phases, Report
from kd_core.runs.control import Command

IDLE_SECONDS = 30.0  # after which an unused worker gives its processor back
PARTS_PER_CARD = 4
Reference = Any  # of Ray


class RayHandle:
    """Worker of Ray and its unanswered call."""

    def __init__(self, actor: Any) -> None:
        self.actor, self.pending = actor, None
        self.has_begun = False
        self.early: list[Command] = []  # before its part has begun
        self.idle_since = 0.0


class RayExecutor:
    """Executor on a connected cluster, shared by all runs of this process. Safe to use from any thread.

    Every part has a processor, or on a cluster with cards a fraction of one.
    """

    def __init__(self, ray: Any, address: str) -> None:
        self._ray, self.address = ray, address
        self.is_gone = False
        self._lock = threading.Lock()
        self._busy: set[RayHandle] = set()
        self._idle: list[RayHandle] = []
        self._resources: dict[str, float] = {}
        self._counted = -1e9  # when the resources were
        cards = self.resources().get("GPU", 0)
        self.device = "cuda" if cards else "cpu"
        options = {"num_gpus": 1 / PARTS_PER_CARD} if cards else {}
        self._actor = ray.remote(num_cpus=1, max_concurrency=2, max_restarts=0, **options)(NodeWorker)

    def resources(self) -> dict[str, float]:
        """Return processors, cards and memory of the nodes that are alive, counted every two seconds."""
        if time.monotonic() - self._counted > 2:
            with self._translated():
                self._resources = self._ray.cluster_resources()
            self._counted = time.monotonic()
        return self._resources

    def capacity(self) -> int:
        """Return how many parts can train at once."""
        resources = self.resources()
        processors = int(resources.get("CPU", 1))
        return max(
            1, min(processors, int(resources.get("GPU", 0)) * PARTS_PER_CARD) if self.device == "cuda" else processors
        )

    def has_room(self) -> bool:
        """Return whether fewer parts train than can."""
        return len(self._busy) < self.capacity()

    def start(self, part: Part, files: Mapping[str, bytes], phases: Sequence[Reference]) -> RayHandle:
        """Give a part to an idle worker or a new one."""
        with self._translated():
            with self._lock:
                handle = self._idle.pop() if self._idle else None
                handle = handle or RayHandle(self._actor.remote("cuda:0" if self.device == "cuda" else "cpu"))
                self._busy.add(handle)
            handle.has_begun = False
            handle.pending = handle.actor.begin.remote(pickle.dumps(part), pickle.dumps(dict(files)), *phases)
        return handle

    def send(self, handle: RayHandle, command: Command) -> None:
        """Send a command to a worker, once its part has begun."""
        if not handle.has_begun:
            handle.early.append(command)
            return
        with self._translated():
            handle.actor.send.remote(pickle.dumps(command))

    def advance(self, handle: RayHandle, *, is_checkpoint_due: bool, condemned: Sequence[int]) -> None:
        """Ask a worker to end some runs of its part, by their places, and to train until its next report."""
        with self._translated():
            handle.pending = handle.actor.advance.remote(is_checkpoint_due=is_checkpoint_due, condemned=[*condemned])

    def wait(self, handles: Sequence[RayHandle], seconds: float) -> list[tuple[RayHandle, Report | LostError]]:
        """Return the reports that have arrived. Raises what a part raised, and ClusterGoneError."""
        with self._translated():  # a reference waits for its id where it is the key of a dictionary
            pending = {handle.pending: handle for handle in handles if handle.pending is not None}
        if not pending:
            time.sleep(seconds)
            return []
        with self._translated():
            ready, _ = self._ray.wait([*pending], num_returns=1, timeout=seconds)
            others = [reference for reference in pending if reference not in ready]
            if ready and others:
                ready = [*ready, *self._ray.wait(others, num_returns=len(others), timeout=0)[0]]
        results: list[tuple[RayHandle, Report | LostError]] = []
        for reference in ready:
            handle = pending[reference]
            handle.pending = None
            results.append((handle, result := self._result(reference)))
            if not handle.has_begun and isinstance(result, Report):
                handle.has_begun, commands, handle.early = True, handle.early, []
                for command in commands:
                    self.send(handle, command)
        return results

    def phases(self, handle: RayHandle) -> Reference:
        """Return a reference to the phases of a worker, which stay on its node."""
        with self._translated():
            return handle.actor.phases.remote()

    def share(self, phases: Phases) -> Reference:
        """Put phases into the object store."""
        with self._translated():
            return self._ray.put(pickle.dumps(phases))

    def fetch(self, reference: Reference) -> Phases:
        """Return the phases of a reference. Raises LostError if they are gone."""
        try:
            with self._translated():
                phases: Phases = pickle.loads(self._ray.get(reference))  # of our own workers
        except self._ray.exceptions.RayError as error:
            raise LostError(_first_line(error)) from error
        return phases

    def end(self, handle: RayHandle, *, is_broken: bool = False) -> None:
        """Keep a worker for the next part for a while, or end it."""
        with self._lock:
            self._busy.discard(handle)
            if not is_broken:
                handle.idle_since = time.monotonic()
                self._idle.append(handle)
        if is_broken:
            self._kill(handle)
        else:
            timer = threading.Timer(IDLE_SECONDS + 1, self._end_idle)
            timer.daemon = True
            timer.start()

    def close(self) -> None:
        """End all workers."""
        with self._lock:
            handles = [*self._idle, *self._busy]
            self._idle, self._busy = [], set()
        for handle in handles:
            self._kill(handle)
        self.is_gone = True

    def _end_idle(self) -> None:
        with self._lock:
            old = [handle for handle in self._idle if time.monotonic() - handle.idle_since > IDLE_SECONDS]
            self._idle = [handle for handle in self._idle if handle not in old]
        for handle in old:
            self._kill(handle)

    def _kill(self, handle: RayHandle) -> None:
        if not self.is_gone and self._is_connected():
            with contextlib.suppress(Exception):  # it is gone already, or its cluster is
                self._ray.kill(handle.actor)

    def _result(self, reference: Reference) -> Report | LostError:
        errors = self._ray.exceptions
        try:
            with self._translated():
                report: Report = pickle.loads(self._ray.get(reference))  # of our own workers
        except errors.OutOfMemoryError as error:
            return Report(problem=MEMORY, reason=f"A node of the cluster has too little memory: {_first_line(error)}")
        except errors.RayTaskError as error:
            if isinstance(error.cause, MemoryError) or "OutOfMemoryError" in str(error):
                return Report(problem=MEMORY, reason=f"A node of the cluster has too little memory: {error.cause}")
            raise
        except errors.RayError as error:
            return LostError(_first_line(error))
        return report

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Raise ClusterGoneError for every sign that the cluster cannot be reached, and always once it is gone.

        Ray has one connection per process, which may by then be another one.
        """
        gone = ClusterGoneError(f"The cluster at {self.address} can no longer be reached.")
        if self.is_gone:
            raise gone
        try:
            yield
        except Exception as error:
            if not isinstance(error, ConnectionError) and not self.is_gone and self._is_connected():
                raise
            self.is_gone = True
            raise gone from error

    def _is_connected(self) -> bool:
        try:
            return bool(self._ray.is_initialized())
        except Exception:  # whatever the client raises on a closed connection
            return False


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
