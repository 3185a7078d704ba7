"""Ray cluster of this machine, started and ended by this process.

    python -m kd_core.runs.cluster.local_cluster PARENT FOLDER OPTION ...

runs ``ray start`` and, when its parent process ends, however that happens, ends it and removes the folder.
"""

from __future__ import annotations

import contextlib
import os
import platform
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from kd_core.base.process import child_environment
from kd_core.runs.cluster.executor import ClusterGoneError

HOST, START_SECONDS, END_SECONDS = "127.0.0.1", 90.0, 15.0
STORE_BYTES = 200_000_000  # of the object store of a node
PYTHON = platform.python_version()

_secret = secrets.token_hex(32)  # of the process, since Ray reads it once


class LocalCluster:
    """Head node on the loopback interface with a token of its own. Raises ClusterGoneError if it does not start."""

    def __init__(self, processors: int = 0) -> None:
        short = "/tmp" if Path("/tmp").is_dir() else None  # the path of a socket has 107 characters at most
        self.folder = Path(tempfile.mkdtemp(prefix="distillery-ray-", dir=short))
        path = self.folder / "token"
        path.touch(0o600)
        path.write_text(_secret, encoding="utf-8")
        # A file, since other users of the machine may read the environment of a process.
        self.environment = {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(path),
            "RAY_USAGE_STATS_ENABLED": "0",
            "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
        }
        os.environ.pop("RAY_AUTH_TOKEN", None)
        os.environ.update(self.environment)
        self.port, client = free_port(), free_port()
        self.place = (HOST, client)
        count = processors or len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self._processes = [
            self._start(
                "--head", f"--port={self.port}", f"--ray-client-server-port={client}", "--include-dashboard=false",
                f"--num-cpus={count}", f"--temp-dir={self.folder / 'ray'}",
            )
        ]  # fmt: skip
        self._wait()

    def add_node(self, processors: int = 1) -> subprocess.Popen[bytes]:
        """Add a node, as another machine would be, and return its process."""
        process = self._start(f"--address={HOST}:{self.port}", f"--num-cpus={processors}")
        self._processes.append(process)
        return process

    def close(self) -> None:
        """End all processes of the cluster, whose work is over or stored."""
        self.end_suddenly()
        self._processes.clear()
        shutil.rmtree(self.folder, ignore_errors=True)

    def end_suddenly(self) -> None:
        """End all processes without a warning, as a power cut would."""
        for process in self._processes:
            end(process)

    def _start(self, *arguments: str) -> subprocess.Popen[bytes]:
        name = "head" if arguments[0] == "--head" else f"node{len(self._processes)}"
        with (self.folder / f"{name}.log").open("wb") as output:
            return subprocess.Popen(
                [
                    sys.executable, "-m", __name__, str(os.getpid()), str(self.folder), *arguments,
                    f"--node-ip-address={HOST}", f"--object-store-memory={STORE_BYTES}", "--disable-usage-stats",
                    "--block",
                ],
                env=child_environment(**self.environment), stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._processes[0].poll() is None:
            with contextlib.suppress(OSError):
                socket.create_connection(self.place, 1).close()
                return
            time.sleep(0.1)
        output = (self.folder / "head.log").read_text(encoding="utf-8", errors="replace").strip().splitlines()
        self.close()
        raise ClusterGoneError(f"Ray does not start on this machine: {output[-1] if output else 'no reason given'}")


def free_port() -> int:
    """Return a port that nothing on this machine listens at."""
    with socket.socket() as server:
        server.bind((HOST, 0))
        return int(server.getsockname()[1])


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it started, which are its process group, without a warning."""
    with contextlib.suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def main(arguments: Sequence[str]) -> int:
    """Run ``ray start`` until it ends, this process is ended, or its parent is gone."""
    parent, folder, *options = arguments
    ray = subprocess.Popen([sys.executable, "-m", "ray.scripts.scripts", "start", *options])

    def stop(*_: object) -> None:
        ray.terminate()

    signal.signal(signal.SIGTERM, stop)
    while ray.poll() is None:
        if os.getppid() != int(parent):
            stop()
            with contextlib.suppress(subprocess.TimeoutExpired):
                ray.wait(END_SECONDS)
            shutil.rmtree(folder, ignore_errors=True)
            os.killpg(os.getpid(), signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            ray.wait(1)
    return ray.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
