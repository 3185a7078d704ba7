"""The app as ``make run`` starts it, on a free port and a data folder of its own."""

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
START_SECONDS = 60.0


class Server:
    """One server process; :meth:`end` it."""

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
        end = time.monotonic() + START_SECONDS
        while not self.is_healthy():
            assert time.monotonic() < end, "the server did not start"
            assert self.process.poll() is None, self.said()
            time.sleep(0.05)

    def is_healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=1) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def store(self) -> Store:
        return Store(self.folder / "distillery.sqlite")

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.wait(30)
