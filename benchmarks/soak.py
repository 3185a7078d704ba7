"""Memory, threads and open files of a process during hundreds of short runs, sweeps and searches.

``python -m benchmarks.soak`` compares them after the first fifty and at the end. Searches need Optuna.
"""

from __future__ import annotations

import gc
import tempfile
import threading
import time
from pathlib import Path

from benchmarks.support.rows import Row, report
from kd_core.base.process import keep_freed_memory
from kd_core.config.run import from_flat
from kd_core.config.sweep import Axis, Sweep
from kd_core.config.sweep.search import plan_search
from kd_core.runs.manager import COMPLETED, RunManager
from tools.testing.waiting import wait_for_end

RUNS, WARM_UP = 300, 50
SWEEP, SEARCH = "sweep", "search"
SHORT = {"dataset": "moons", "epochs": "3", "teacher_epochs": "1", "labelled": "40"}
KINDS = ({}, {"method": "hints"}, {"scheme": "mutual"}, {"dataset": "spirals"}, SWEEP, SEARCH)
LIMIT = 5.0  # per cent of growth


def measure() -> list[Row]:
    """Measure after each run from the fiftieth on."""
    keep_freed_memory()
    memory, threads, files, seconds = [], [], [], []
    with tempfile.TemporaryDirectory() as folder:
        runs = RunManager(Path(folder))
        for number in range(RUNS):
            began = time.monotonic()
            run = start(runs, KINDS[number % len(KINDS)], number)
            assert wait_for_end(runs, run, 120) == COMPLETED
            for member in runs.store.members(run) or [runs.store.run(run)]:  # as a viewer would
                list(runs.store.events(member.id))
            seconds.append(time.monotonic() - began)
            if number % 10 == 9:
                gc.collect()
            if number + 1 >= WARM_UP:
                memory.append(resident())
                threads.append(float(threading.active_count()))
                files.append(float(len(list(Path("/proc/self/fd").iterdir()))))
            if number % 25 == 24:
                print(f"{number + 1} runs: {resident():.0f} MB, {threading.active_count()} threads", flush=True)
        runs.close()
    growth = 100 * (memory[-1] / memory[0] - 1)
    return [
        Row(
            f"growth of memory from run {WARM_UP} to run {RUNS}", "%", [growth], f"under {LIMIT:.0f} %", growth < LIMIT
        ),
        Row("resident memory", "MB", memory),
        Row("threads", "", threads, "no more than after the warm-up", threads[-1] <= threads[0]),
        Row("open files", "", files, "no more than after the warm-up", files[-1] <= files[0]),
        Row("a run", "s", seconds),
    ]


def start(runs: RunManager, kind: str | dict[str, str], number: int) -> str:
    """Start a run, a sweep of four runs, or a search of four trials and a confirmation; return its id."""
    if isinstance(kind, dict):
        return runs.start(from_flat(SHORT | kind | {"seed": str(number)}))
    base = from_flat(SHORT | {"seed": str(number)})
    if kind == SWEEP:
        return runs.start_sweep(Sweep(base, (Axis("temperature", ("1", "4")),), (number, number + 1)))
    space = {"temperature": "1..16", "alpha": "0..1"}
    return runs.start_search(plan_search(base, space, {}, (number,), trials=4, batch=2, confirmations=1)[0])


def resident() -> float:
    """Return the resident memory of this process in MB."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1000
    raise OSError("this system does not report the memory of a process")


if __name__ == "__main__":
    report("soak", __doc__, measure)
