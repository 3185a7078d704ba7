"""Server of the app for benchmarks, and the CPU time and memory of processes."""

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
    """Server on a temporary data folder, as a context manager.

    Args:
        template: a data folder to start from, which is copied.
    """

    def __init__(self, template: Path | None = None) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="distillery-bench-")
        if template is not None:
            shutil.copytree(template, self._temporary.name, dirs_exist_ok=True)
        self.begun = time.time()
        super().__init__(Path(self._temporary.name))
        self.pid = self.process.pid

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *failure: object) -> None:
        self.stop()
        self._temporary.cleanup()

    def last_step(self, run: str) -> tuple[int, float]:
        """Return the last stored step of the students and its time in seconds since 1970; both are 0 before it."""
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
class CpuTime:
    """Seconds that a process has used so far. All are 0 on systems without /proc.

    Attributes:
        total: seconds on a core of all threads, including those that have ended.
        busiest: seconds on a core of the thread with the most of them.
        delayed: seconds in which that thread could have run but every core was taken.
    """

    total: float = 0.0
    busiest: float = 0.0
    delayed: float = 0.0

    def __sub__(self, before: CpuTime) -> CpuTime:
        return CpuTime(self.total - before.total, self.busiest - before.busiest, self.delayed - before.delayed)


def cpu_time(pid: int) -> CpuTime:
    """Return the CPU time of a process so far."""
    ticks = os.sysconf("SC_CLK_TCK") if Path("/proc/self/stat").exists() else 1
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total = (int(fields[11]) + int(fields[12])) / ticks
        threads = [text.split() for path in _threads(pid) if (text := _read(path / "schedstat"))]
    except OSError:  # there is no /proc, or the process has just ended
        return CpuTime()
    busiest, delayed = max(((int(run) / 1e9, int(wait) / 1e9) for run, wait, _ in threads), default=(0.0, 0.0))
    return CpuTime(total, busiest, delayed)


def resident(pid: int) -> float:
    """Return the resident memory of a process in megabytes; 0 on systems without /proc."""
    lines = _read(Path(f"/proc/{pid}/status")).splitlines()
    return next((int(line.split()[1]) / 1000 for line in lines if line.startswith("VmRSS:")), 0.0)


def machine_cpu_time() -> float:
    """Return the CPU seconds of all processes so far; 0 on systems without /proc.

    This includes the time that the host of a virtual machine gave to other guests.
    """
    stat = Path("/proc/stat")
    if not stat.exists():
        return 0.0
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, stat.read_text().split("\n", 1)[0].split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def descendants(pid: int) -> set[int]:
    """Return the processes that a process has started, directly or not; none on systems without /proc."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:  # the process has just ended
            continue
    processes: set[int] = set()
    newest = {pid}
    while newest:
        newest = {child for child, parent in parents.items() if parent in newest} - processes
        processes |= newest
    return processes


def set_affinity(pids: set[int], cores: set[int]) -> None:
    """Restrict every thread of these processes to some cores."""
    for thread in [thread for pid in pids for thread in _threads(pid)]:
        try:
            os.sched_setaffinity(int(thread.name), cores)
        except OSError:  # the thread has just ended
            continue


def _threads(pid: int) -> list[Path]:
    return list(Path(f"/proc/{pid}/task").glob("[0-9]*"))


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # the process has just ended
        return ""
