"""The app as ``make run`` starts it, on a free port and with a given data folder."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from kd_core.store.store import Store

ROOT = Path(__file__).parents[2]
START_TIMEOUT = 60.0  # seconds


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
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / f"server-{self.port}.log"
        with self.log.open("w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(self.port)],
                cwd=ROOT,
                env={**os.environ, "DISTILLERY_DATA": str(folder), "PYTHONFAULTHANDLER": "1", **environment},
                stdout=log,
                stderr=log,
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
