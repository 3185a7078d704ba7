"""Connection to a Ray cluster by address, with a check of its authentication and versions."""

from __future__ import annotations

import atexit
import importlib
import importlib.util
import logging
import os
import shutil
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

import kd_core
from kd_core.runs.cluster import local_cluster, node
from kd_core.runs.cluster.executor import ClusterGoneError
from kd_core.runs.cluster.ray_executor import RayExecutor

MODULES = "DISTILLERY_RAY_MODULES"  # folders of packages that plug-ins import
LOCAL, SCHEME = "local-cluster", "ray://"
CONNECT_SECONDS, DESCRIBE_SECONDS, CLOSE_SECONDS = 5.0, 300.0, 1.0
ATTEMPTS, NOT_STARTED = 4, "Starting Ray client server failed"
INSTALL = 'Runs on a cluster need Ray: pip install "distillery-lab[cluster]".'
PING, PING_REQUEST = "/ray.rpc.RayletDriver/ClusterInfo", b"\x08\x06"  # type = PING of ray_client.proto

log = logging.getLogger(__name__)


def check_address(address: str) -> tuple[str, int] | None:
    """Return host and port of an address; None for a cluster of this machine. Raises ValueError for anything else."""
    if address == LOCAL:
        return None
    host, _, port = address.removeprefix(SCHEME).rpartition(":")
    if not address.startswith(SCHEME) or not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f"on = {address}: write {LOCAL}, or {SCHEME}HOST:PORT with the port of Ray's client server.")
    return host.strip("[]"), int(port)


class Cluster:
    """Cluster at an address, connected when it is first needed. Safe to use from any thread."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.problem = ""  # why the last attempt to connect failed, as a sentence
        self.notice = ""  # what may make numbers differ, likewise
        self.before_exit: Callable[[], None] = self.close
        self._executor: RayExecutor | None = None
        self._local: local_cluster.LocalCluster | None = None
        self._lock = threading.Lock()

    def executor(self) -> RayExecutor:
        """Return the executor, after connecting where that is necessary. Raises ClusterGoneError with a sentence."""
        with self._lock:
            if self._executor is None or self._executor.is_gone:
                self._disconnect()
                try:
                    self._executor = self._connect()
                except (ClusterGoneError, ValueError) as error:
                    self.problem = str(error)
                    self._disconnect()
                    raise ClusterGoneError(self.problem) from error
                self.problem = ""
            return self._executor

    def title(self) -> str:
        """Return the cluster in words for a list of devices."""
        executor = self._executor
        if executor is None or executor.is_gone:
            return f"cluster: {self.problem}" if self.problem else f"cluster at {self.address}, not yet connected"
        try:
            resources = executor.resources()
        except ClusterGoneError:
            return f"cluster at {self.address}, which can no longer be reached"
        cards = int(resources.get("GPU", 0))
        return f"cluster ({int(resources.get('CPU', 0))} CPUs, {cards} GPUs)"

    def connect_in_background(self) -> None:
        """Connect without waiting, so that :meth:`title` can say what the cluster has."""
        threading.Thread(target=self._try_to_connect, name="connecting to a cluster", daemon=True).start()

    def is_reachable(self) -> bool:
        """Return whether something listens at the address; a cluster of this machine can always be started.

        One that could not be used the last time is tried again, which takes longer.
        """
        if self._executor is not None and not self._executor.is_gone:
            return True
        try:
            place = check_address(self.address)
            check_installed()
            if place:
                _knock(place)
            if self.problem:
                self.executor()
        except (ValueError, ClusterGoneError):
            return False
        return True

    def close(self) -> None:
        """End the workers and the connection, and a cluster of this machine that was started for it."""
        if self._lock.acquire(timeout=CLOSE_SECONDS):
            self._disconnect()
            self._lock.release()
        elif self._local is not None:  # still connecting, which this ends
            self._local.close()

    def _try_to_connect(self) -> None:
        try:
            self.executor()
        except ClusterGoneError as error:
            log.warning("%s", error, extra={"event": "no cluster"})

    def _connect(self) -> RayExecutor:
        place = check_address(self.address)
        check_installed()
        if place is None:
            self._local = local_cluster.LocalCluster()
            place = self._local.place
        else:
            _knock(place)
        ray = import_ray()
        # Ray ends its connection when the interpreter exits; what is registered after its import comes before that.
        atexit.register(self.before_exit)
        _check_authentication(place, self.address)
        with tempfile.TemporaryDirectory() as folder:
            _initialise(ray, place, self.address, _code(Path(folder)))
        self.notice = _compare(self.address, describe_nodes(ray, self.address))
        return RayExecutor(ray, self.address)

    def _disconnect(self) -> None:
        if self._executor is not None:
            self._executor.close()
            self._executor = None
        if "ray" in sys.modules:
            sys.modules["ray"].shutdown()
        if self._local is not None:
            self._local.close()
            self._local = None


def check_installed() -> None:
    """Raise ClusterGoneError with a sentence where Ray is not installed; Ray Client needs grpc as well."""
    if not all(map(importlib.util.find_spec, ("ray", "grpc"))):
        raise ClusterGoneError(INSTALL)


def import_ray() -> ModuleType:
    """Import Ray, set up for this process. It reads its settings once, so they must be complete."""
    # A cluster that is gone is noticed after these seconds.
    os.environ.setdefault("RAY_CLIENT_RECONNECT_GRACE_PERIOD", "10")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ["RAY_ENABLE_AUTO_CONNECT"] = "0"  # a call without a connection would start a cluster of this machine
    if token() and "RAY_AUTH_MODE" not in os.environ:
        os.environ["RAY_AUTH_MODE"] = "token"
    return importlib.import_module("ray")


def token() -> str:
    """Return the token of Ray's settings; "" if there is none."""
    if value := os.environ.get("RAY_AUTH_TOKEN"):
        return value.strip()
    path = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token")
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _knock(place: tuple[str, int]) -> None:
    try:
        socket.create_connection(place, CONNECT_SECONDS).close()
    except OSError as error:
        raise ClusterGoneError(
            f"Nothing listens at {place[0]}:{place[1]} ({error.strerror or error}). Start a cluster there with “ray "
            f"start --head --ray-client-server-port={place[1]}”."
        ) from error


def _check_authentication(place: tuple[str, int], address: str) -> None:
    """Raise ClusterGoneError unless the cluster asks for a token and takes ours."""
    if os.environ.get("RAY_AUTH_MODE") == "disabled":
        return
    if _status(place, "") == "OK":
        raise ClusterGoneError(
            f"The cluster at {address} asks for no token, so whoever reaches it can run programs there. Start it with "
            "RAY_AUTH_MODE=token and RAY_AUTH_TOKEN_PATH, or set RAY_AUTH_MODE=disabled here to use it as it is."
        )
    status = _status(place, token())
    if status == "UNAUTHENTICATED":
        what = "does not take the token of this machine" if token() else "asks for a token, and there is none here"
        raise ClusterGoneError(
            f"The cluster at {address} {what}: put its token into ~/.ray/auth_token, or name its file in "
            "RAY_AUTH_TOKEN_PATH."
        )
    if status != "OK":
        raise ClusterGoneError(
            f"What listens at {address} is not Ray's client server ({status}). Name the port that “ray start --head "
            "--ray-client-server-port” was given, 10001 by default."
        )


def _status(place: tuple[str, int], secret: str) -> str:
    """Return the status with which Ray's client server answers a ping, such as "OK"."""
    import grpc

    metadata = [("authorization", f"Bearer {secret}")] if secret else []
    with grpc.insecure_channel(f"{place[0]}:{place[1]}") as channel:
        call = channel.unary_unary(PING, request_serializer=bytes, response_deserializer=bytes)
        try:
            call(PING_REQUEST, timeout=2 * CONNECT_SECONDS, metadata=metadata)
        except grpc.RpcError as error:
            return str(error.code().name)
    return "OK"


def _initialise(
    ray: ModuleType, place: tuple[str, int], address: str, environment: Mapping[str, Any], attempts: int = ATTEMPTS
) -> None:
    try:
        ray.init(
            f"{SCHEME}{place[0]}:{place[1]}",
            runtime_env=dict(environment),
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except RuntimeError as error:
        if "ersion" not in str(error):
            raise ClusterGoneError(f"The cluster at {address} cannot be used: {_last_line(error)}") from error
        raise ClusterGoneError(
            f"The cluster at {address} has another version of Ray or Python than this machine, which has Ray "
            f"{ray.__version__} and Python {local_cluster.PYTHON}: install the same ones. ({_last_line(error)})"
        ) from error
    except (OSError, ValueError) as error:
        # The server that Ray starts for each client now and then dies while it is forked.
        if attempts > 1 and NOT_STARTED in str(error):
            ray.shutdown()
            return _initialise(ray, place, address, environment, attempts - 1)
        raise ClusterGoneError(f"The cluster at {address} cannot be used: {_last_line(error)}") from error


def _code(folder: Path) -> dict[str, Any]:
    """Return Ray's runtime environment with this package, the plug-in folders, and the packages of a user's own."""
    package = Path(kd_core.__file__).parent
    ignore = shutil.ignore_patterns("__pycache__", "_app")
    shutil.copytree(package, folder / package.name, ignore=ignore)
    modules = [folder / package.name]
    plugins = [Path(name).expanduser() for name in os.environ.get("DISTILLERY_PLUGINS", "").split(os.pathsep) if name]
    for number, path in enumerate(path for path in plugins if path.is_dir()):
        shutil.copytree(path, folder / node.SENT / f"{number:02}", ignore=ignore)
    if (folder / node.SENT).is_dir():
        modules.append(folder / node.SENT)
    modules += [Path(name).expanduser() for name in os.environ.get(MODULES, "").split(os.pathsep) if name]
    return {"py_modules": [str(path) for path in modules]}


def describe_nodes(ray: ModuleType, address: str) -> list[dict[str, Any]]:
    """Return the facts of every node that is alive. Raises ClusterGoneError where one does not answer."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    task = ray.remote(num_cpus=0, max_retries=0)(node.describe)
    alive = [one["NodeID"] for one in ray.nodes() if one["Alive"]]
    try:
        facts: list[dict[str, Any]] = ray.get(
            [
                task.options(scheduling_strategy=NodeAffinitySchedulingStrategy(name, soft=False)).remote()
                for name in alive
            ],
            timeout=DESCRIBE_SECONDS,
        )
    except (ConnectionError, ray.exceptions.RayError) as error:
        raise ClusterGoneError(f"A node of the cluster at {address} does not answer: {_last_line(error)}") from error
    return facts


def _compare(address: str, nodes: list[dict[str, Any]]) -> str:
    """Return a notice on what may make last digits differ.

    Raises ClusterGoneError for versions other than those of this machine.
    """
    here = node.describe()
    for facts in nodes:
        name = f"The node {facts['node']} of the cluster at {address}"
        if facts["error"]:
            raise ClusterGoneError(f"{name} cannot train: {facts['error']}. Install torch {torch.__version__} there.")
        for what in ("torch", "distillery"):
            if facts[what] != here[what]:
                title = "torch" if what == "torch" else "Distillery"
                raise ClusterGoneError(
                    f"{name} has {title} {facts[what]}, and this machine has {here[what]}: install the same version."
                )
    if others := {facts["processor"] for facts in nodes} - {here["processor"]}:
        return (
            f"The cluster has other processors ({', '.join(sorted(others))}) than this machine ({here['processor']}), "
            "so the last digits of results can differ."
        )
    return ""


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].rstrip(".") + "." if lines else f"{type(error).__name__}."
