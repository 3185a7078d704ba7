"""A server of the app in a folder of its own, and what can be seen of it from outside: its steps and its CPU time."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from kd_core.store.step_codec import decode_steps
from tools.testing import app_server


class Server(app_server.Server):
    """``with Server() as server``: its data folder goes with it. It may begin as a copy of ``filled``."""

    def __init__(self, filled: Path | None = None) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="distillery-bench-")
        if filled is not None:
            shutil.copytree(filled, self._temporary.name, dirs_exist_ok=True)
        self.begun = time.time()
        super().__init__(Path(self._temporary.name))
        self.pid = self.process.pid

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *failure: object) -> None:
        self.end()
        self._temporary.cleanup()

    def last_step(self, run: str) -> tuple[int, float]:
        """The newest step of the students that is written down, and when it happened (seconds since 1970)."""
        path = self.folder / "distillery.sqlite"
        db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)
        try:
            rows = db.execute("SELECT at, kind, body FROM events WHERE run = ? ORDER BY n DESC LIMIT 20", (run,))
            for at, kind, body in rows:
                if kind == "steps" and "student" in (last := decode_steps(body)[-1]).parts:
                    return last.step, at
        finally:
            db.close()
        return 0, 0.0


@dataclass(frozen=True)
class Spent:
    """Seconds of a process so far. All are 0 where there is no /proc.

    ``total`` on a core, by all its threads, those that ended too; of its busiest thread: ``busiest`` on a core, and
    ``delayed`` while it could have run but every core was taken.
    """

    total: float = 0.0
    busiest: float = 0.0
    delayed: float = 0.0

    def __sub__(self, before: Spent) -> Spent:
        return Spent(self.total - before.total, self.busiest - before.busiest, self.delayed - before.delayed)


def spent(pid: int) -> Spent:
    """The CPU time of a process so far."""
    ticks = os.sysconf("SC_CLK_TCK") if Path("/proc/self/stat").exists() else 1
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total = (int(fields[11]) + int(fields[12])) / ticks
        tasks = [text.split() for path in _tasks(pid) if (text := _read(path / "schedstat"))]
    except OSError:  # no /proc, or the process has just ended
        return Spent()
    busiest, delayed = max(((int(run) / 1e9, int(wait) / 1e9) for run, wait, _ in tasks), default=(0.0, 0.0))
    return Spent(total, busiest, delayed)


def resident(pid: int) -> float:
    """Megabytes of memory that a process takes now; 0 where there is no /proc."""
    lines = _read(Path(f"/proc/{pid}/status")).splitlines()
    return next((int(line.split()[1]) / 1000 for line in lines if line.startswith("VmRSS:")), 0.0)


def busy_seconds() -> float:
    """CPU seconds of the whole machine so far, by anybody, those taken by other guests of its host included."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return 0.0
    user, nice, system, _idle, _waiting, *interrupts = map(int, stat.read_text().split("\n", 1)[0].split()[1:9])
    return (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK")


def children(of: int) -> set[int]:
    """The processes below a process; empty where there is no /proc."""
    parent = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:  # it has just ended
            continue
    found, fresh = set(), {of}
    while fresh:
        fresh = {pid for pid, above in parent.items() if above in fresh} - found
        found |= fresh
    return found


def keep_to(pids: set[int], cores: set[int]) -> None:
    """Lets every thread of these processes run on ``cores`` alone."""
    for task in [task for pid in pids for task in _tasks(pid)]:
        try:
            os.sched_setaffinity(int(task.name), cores)
        except OSError:  # it has just ended
            continue


def _tasks(pid: int) -> list[Path]:
    return list(Path(f"/proc/{pid}/task").glob("[0-9]*"))


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # it has just ended
        return ""
