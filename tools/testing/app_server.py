"""The app as ``make run`` starts it, on a free port and with a given data folder."""

from __future__ import annotations

import atexit
import faulthandler
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import ClassVar

from kd_core.store.store import Store

ROOT = Path(__file__).parents[2]
START_TIMEOUT = 60.0  # seconds


# What a server imports on its first page and in its first run, without a side effect.
PRELOADED = (
    "streamlit.web.cli", "streamlit.web.bootstrap", "pandas", "plotly.graph_objects", "sklearn.datasets", "scipy.stats",
    "torch._dynamo", "kd_core.runs.manager", "kd_core.analysis.error_analysis", "tools.testing.app_server",
)  # fmt: skip


class ForkedProcess:
    """Process that begins as a copy of one that has imported the app, which saves seconds of each start.

    The interface is that of ``subprocess.Popen``. The first use starts the process that is copied.
    """

    is_used: ClassVar[bool] = False  # by every server
    _context: ClassVar = multiprocessing.get_context("forkserver")

    def __init__(self, command: list[str], environment: dict[str, str], log: Path) -> None:
        self._context.set_forkserver_preload(list(PRELOADED))
        self._process = self._context.Process(target=_run_in_copy, args=(command, environment, log), daemon=True)
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def send_signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def wait(self, timeout: float) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("server", timeout)
        return self._process.exitcode


def _run_in_copy(command: list[str], environment: dict[str, str], log: Path) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(ROOT)
    with log.open("ab", buffering=0) as file:
        for descriptor in (1, 2):
            os.dup2(file.fileno(), descriptor)
    faulthandler.enable()
    sys.argv = command
    from streamlit.web.cli import main

    try:
        main()
    finally:  # a copied process ends without them
        atexit._run_exitfuncs()


class Server:
    """A server process that runs until :meth:`stop`.

    Args:
        folder: the data folder; the log of the server is written there, too.
        environment: variables added to those of this process.
    """

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        base = environment.get("STREAMLIT_SERVER_BASE_URL_PATH", "").strip("/")
        self.url = f"http://127.0.0.1:{self.port}" + (f"/{base}" if base else "")
        self.log = folder / f"server-{self.port}.log"
        with self.log.open("w", encoding="utf-8") as log:
            variables = {**os.environ, "DISTILLERY_DATA": str(folder), "PYTHONFAULTHANDLER": "1", **environment}
            command = ["streamlit", "run", "app.py", "--server.port", str(self.port)]
            self.process: subprocess.Popen[bytes] | ForkedProcess = (
                ForkedProcess(command, variables, self.log)
                if ForkedProcess.is_used
                else subprocess.Popen([sys.executable, "-m", *command], cwd=ROOT, env=variables, stdout=log, stderr=log)
            )
        end = time.monotonic() + START_TIMEOUT
        while not self.is_healthy():
            assert time.monotonic() < end, "the server did not start"
            assert self.process.poll() is None, self.log_text()
            time.sleep(0.05)

    def is_healthy(self) -> bool:
        """Return whether the server answers requests."""
        try:
            with urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=1) as response:
                return bool(response.status == 200)
        except OSError:
            return False

    def log_text(self) -> str:
        """Return everything that the server has printed."""
        return self.log.read_text(encoding="utf-8")

    def store(self) -> Store:
        """Open the store of the server's data folder."""
        return Store(self.folder / "distillery.sqlite")

    def stop(self, signal_number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal to the process and return its exit status. Does nothing to a process that has ended."""
        if self.process.poll() is None:
            self.process.send_signal(signal_number)
        return self.process.wait(30)
