"""Hundreds of short runs in one process: memory, threads and open files after the first fifty and at the end.
``python -m benchmarks.soak``"""

from __future__ import annotations

import gc
import tempfile
import threading
import time
from pathlib import Path

from benchmarks.support.rows import Row, report
from kd_core.base.process import keep_freed_memory
from kd_core.config.run import from_flat
from kd_core.runs.manager import COMPLETED, RunManager
from tools.testing.waiting import wait_for_end

RUNS, WARM = 300, 50
SHORT = {"dataset": "moons", "epochs": "3", "teacher_epochs": "1", "labelled": "40"}
KINDS = ({}, {"method": "hints"}, {"scheme": "mutual"}, {"dataset": "spirals"})


def measure() -> list[Row]:
    """Rows of the numbers after each run from the fiftieth on."""
    keep_freed_memory()
    memory, threads, files, seconds = [], [], [], []
    with tempfile.TemporaryDirectory() as folder:
        runs = RunManager(Path(folder))
        for number in range(RUNS):
            begun = time.monotonic()
            run = runs.start(from_flat(SHORT | KINDS[number % len(KINDS)] | {"seed": str(number)}))
            assert wait_for_end(runs, run, 120) == COMPLETED
            list(runs.store.events(run))  # somebody reads it
            seconds.append(time.monotonic() - begun)
            if number % 10 == 9:
                gc.collect()
            if number + 1 >= WARM:
                memory.append(resident())
                threads.append(float(threading.active_count()))
                files.append(float(len(list(Path("/proc/self/fd").iterdir()))))
            if number % 25 == 24:
                print(f"{number + 1} runs: {resident():.0f} MB, {threading.active_count()} threads", flush=True)
        runs.close()
    growth = 100 * (memory[-1] / memory[0] - 1)
    return [
        Row(f"growth of memory from run {WARM} to run {RUNS}", "%", [growth], "under 10 %", growth < 10),
        Row("resident memory", "MB", memory),
        Row("threads", "", threads, "no more than at first", threads[-1] <= threads[0]),
        Row("open files", "", files, "no more than at first", files[-1] <= files[0]),
        Row("a run", "s", seconds),
    ]


def resident() -> float:
    """Resident memory of this process in MB."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1000
    raise OSError("this system does not say how much memory a process takes")


if __name__ == "__main__":
    report("soak", __doc__, measure)
