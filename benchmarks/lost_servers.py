"""Runs, sweeps and searches whose app, cluster worker or cluster head is killed.

``python -m benchmarks.lost_servers`` checks that each ends with the numbers of an undisturbed one, and that no event is
lost that was read from the store before. Clusters need Ray and searches Optuna; without Ray only apps are killed.
"""

from __future__ import annotations

import importlib.util
import os
import random
import signal
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from unittest.mock import patch

from benchmarks.chaos import KINDS, TIMEOUT, Events, Job, is_training, lost, often, read, start, undisturbed
from benchmarks.support.rows import Row, report
from kd_core.base.devices import CLUSTER, CLUSTER_VARIABLE
from kd_core.runs.cluster.connection import LOCAL
from kd_core.runs.manager import COMPLETED, INTERRUPTED, RunManager
from kd_core.store.records import ACTIVE, PRUNED
from tools.testing import websocket_client
from tools.testing.app_server import Server
from tools.testing.waiting import wait
from tools.testing.websocket_client import Visitor

KILLS = 34  # of each form
EACH = 2  # in the same run
LONG = {"epochs": "1000"}  # since a run of seconds at least is to be disturbed at full speed


def resume_in_app(folder: Path, server: Server) -> None:
    """Press Resume on the page of what is in a folder."""
    store = server.store()
    sweep = next(iter(store.sweeps()), None)
    page, query = ("sweep", f"sweep={sweep.id}") if sweep else ("distill", f"run={store.runs()[0].id}")
    with patch.object(websocket_client, "TIMEOUT", TIMEOUT), Visitor.at(server.port) as visitor:
        visitor.open(page, query)
        visitor.press("Resume")
    wait(lambda: is_training(folder), TIMEOUT)


def state_in(folder: Path) -> str:
    """Return the state of what is in a folder."""
    return read(folder)[1][0]


def killed_apps(job: Job, count: int, rng: random.Random) -> tuple[int, int]:
    """Return how often an app was killed while it trained, and how many events were lost by it."""
    runs = RunManager(job.folder)
    start(runs, job.kind, job.seed, **LONG)
    wait(lambda: is_training(job.folder), TIMEOUT)
    runs.close()
    done, seen = 0, list[Events]()
    for number in range(count + 1):
        if state_in(job.folder) not in (INTERRUPTED, *ACTIVE):
            break
        server = Server(job.folder)
        try:
            resume_in_app(job.folder, server)
            if number == count:
                wait(lambda: state_in(job.folder) not in ACTIVE, TIMEOUT)
            else:
                time.sleep(rng.uniform(0, job.seconds / (count + 1)))
                seen.append(read(job.folder)[0])
                done += state_in(job.folder) in ACTIVE
        finally:
            server.stop(signal.SIGKILL)
    final = read(job.folder)[0]
    return done, sum(lost(events, final) for events in seen)


def kill_worker(runs: RunManager) -> bool:
    """Kill the process of a worker that trains; return whether there is one."""
    assert runs.cluster is not None
    executor = runs.cluster.executor()
    worker = next(iter(executor._busy), None)
    if worker is None:
        return False
    _, pid = executor._ray.get(worker.actor.process.remote())
    os.kill(pid, signal.SIGKILL)
    return True


def kill_head(runs: RunManager) -> bool:
    """Kill all processes of the cluster of this machine; return whether there was one."""
    assert runs.cluster is not None
    local = runs.cluster._local
    if local is not None:
        local.end_suddenly()
    return local is not None


def has_moved(runs: RunManager, run: str, count: int) -> bool:
    """Return whether a run has more or fewer events than ``count``, or has ended."""
    return not runs.status(run).is_active or len(read(runs.folder)[0]) != count


def on_cluster(job: Job, count: int, rng: random.Random, kill: Callable[[RunManager], bool]) -> tuple[int, int]:
    """Return how often something of a cluster was killed while it trained, and how many events were lost by it."""
    with patch.dict(os.environ, {CLUSTER_VARIABLE: LOCAL}):
        runs = RunManager(job.folder, ["cpu", CLUSTER], ["cpu"])
    run = start(runs, job.kind, job.seed, 0.0, **LONG, device=CLUSTER)
    done, seen = 0, list[Events]()

    def wait_for_end() -> None:
        wait(lambda: not runs.status(run).is_active, TIMEOUT)

    for _ in range(count):
        wait(partial(has_moved, runs, run, len(read(job.folder)[0])), TIMEOUT)
        time.sleep(rng.uniform(0, job.seconds / count))
        if not runs.status(run).is_active:
            break
        seen.append(read(job.folder)[0])
        done += kill(runs)
        if kill is kill_head:
            wait_for_end()
            if runs.status(run).state == INTERRUPTED:
                runs.resume_from_checkpoint(run)
    wait_for_end()
    if runs.status(run).state == INTERRUPTED:
        runs.resume_from_checkpoint(run)
        wait_for_end()
    runs.close()
    final = read(job.folder)[0]
    return done, sum(lost(events, final) for events in seen)


Form = Callable[[Job, int, random.Random], tuple[int, int]]
FORMS: Mapping[str, Form] = {
    "killed apps": killed_apps,
    "killed workers of a cluster": lambda job, count, rng: on_cluster(job, count, rng, kill_worker),
    "killed heads of a cluster": lambda job, count, rng: on_cluster(job, count, rng, kill_head),
}


def measure(kills: int = KILLS) -> list[Row]:
    """Measure how runs end, and which events are lost, for each form of kill."""
    rng, rows = random.Random(2026), list[Row]()
    often()
    for form, disturb in FORMS.items():
        if disturb is not killed_apps and importlib.util.find_spec("ray") is None:
            continue
        same, missing, number = list[float](), list[float](), 0
        while len(same) < kills:
            kind = list(KINDS)[number % len(KINDS)]
            expected, seconds = undisturbed(kind, number, 0.0, **LONG)
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
                job = Job(Path(folder), kind, number, seconds)
                done, gone = disturb(job, min(EACH, kills - len(same)), rng)
                final, states = read(job.folder)
            is_same = final == expected and set(states) <= {COMPLETED, PRUNED}
            same += [float(is_same)] * done
            missing.append(float(gone))
            number += 1
            print(
                f"{form}, {kind}: {done}, {'same' if is_same else 'OTHER'} numbers, {gone} events lost, "
                f"{len(same)} of {kills}", flush=True,
            )  # fmt: skip
        rows += [
            Row(f"{form}: after which the numbers were the same", f"of {len(same)}", [sum(same)], "all", all(same)),
            Row(f"{form}: read events that were lost, per run", "events", missing, "0", not any(missing)),
        ]
    return rows


if __name__ == "__main__":
    report("lost_servers", __doc__, measure)
