"""Runs on a Ray cluster of two nodes on this machine, each with processes of its own.

Skipped where Ray is not installed, which `make test` does not: `make cluster` installs it and runs these tests.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kd_core.base.devices import CLUSTER, CLUSTER_VARIABLE
from kd_core.base.events import to_json
from kd_core.base.process import child_environment
from kd_core.config.run import from_flat
from kd_core.config.sweep import Axis, Sweep
from kd_core.runs.cluster.connection import Cluster
from kd_core.runs.cluster.executor import ClusterGoneError
from kd_core.runs.cluster.local_cluster import LocalCluster, end
from kd_core.runs.manager import COMPLETED, INTERRUPTED, RunManager
from tools.testing.waiting import wait_for_end

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed; make cluster does"),
    pytest.mark.filterwarnings("ignore"),  # Ray's own
]

SETTINGS = {"dataset": "moons", "epochs": "60", "teacher_epochs": "4", "labelled": "40"}
METHODS = ("soft_targets", "dist", "hints", "similarity")
CONNECT = """
import sys
from kd_core.runs.cluster.connection import Cluster
from kd_core.runs.cluster.executor import ClusterGoneError
try:
    Cluster(sys.argv[1]).executor()
except ClusterGoneError as error:
    print(error)
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN_PATH", "RAY_USAGE_STATS_ENABLED", "OMP_NUM_THREADS"):
            patch.setenv(name, os.environ.get(name, "1"))  # restored afterwards
        cluster = LocalCluster(1)
        patch.setenv(CLUSTER_VARIABLE, address(cluster))
        yield cluster
        cluster.close()


@pytest.fixture(scope="module")
def runs(cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunManager]:
    runs = RunManager(tmp_path_factory.mktemp("cluster"), ["cpu", CLUSTER], ["cpu"])
    yield runs
    runs.close()


def address(cluster: LocalCluster) -> str:
    return f"ray://{cluster.place[0]}:{cluster.place[1]}"


def events(runs: RunManager, sweep: str) -> dict[tuple[str, int], list[str]]:
    return {
        (run.config.method.name, run.seed): [to_json(event) for _, event in runs.store.events(run.id)]
        for run in runs.store.members(sweep) or [runs.store.run(sweep)]
    }


def trained_here(folder: Path, plan: Sweep) -> dict[tuple[str, int], list[str]]:
    runs = RunManager(folder)
    sweep = runs.start_sweep(plan)
    assert wait_for_end(runs, sweep, 120) == COMPLETED
    trained = events(runs, sweep)
    runs.close()
    return trained


def test_a_cluster_is_refused_to_whoever_has_not_its_token(cluster: LocalCluster) -> None:
    for secret, reason in (("0" * 64, "does not take the token"), ("", "there is none here")):
        (cluster.folder / "other").write_text(secret, encoding="utf-8")
        environment = child_environment(RAY_AUTH_TOKEN_PATH=str(cluster.folder / "other"))
        output = subprocess.run(
            [sys.executable, "-c", CONNECT, address(cluster)],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert reason in output.stdout


def test_24_runs_survive_a_killed_worker_and_a_killed_node(
    cluster: LocalCluster, runs: RunManager, tmp_path: Path
) -> None:
    node = cluster.add_node(1)
    assert runs.cluster is not None
    executor = runs.cluster.executor()
    wait_until(lambda: executor.capacity() == 2)
    base = from_flat(SETTINGS | {"device": CLUSTER})
    sweep = runs.start_sweep(Sweep(base, (Axis("method", METHODS),), range(6)))
    wait_until(lambda: sum(run.state == COMPLETED for run in runs.store.members(sweep)) > 2)
    worker = next(iter(executor._busy))
    _, pid = executor._ray.get(worker.actor.process.remote())
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: "lost" in runs.status(sweep).notice)
    wait_until(lambda: sum(run.state == COMPLETED for run in runs.store.members(sweep)) > 8)
    end(node)
    assert wait_for_end(runs, sweep, 240) == COMPLETED
    assert [run.state for run in runs.store.members(sweep)] == [COMPLETED] * 24
    here = trained_here(tmp_path, Sweep(from_flat(SETTINGS), (Axis("method", METHODS),), range(6)))
    assert events(runs, sweep) == here


def test_a_single_run_is_paused_and_adjusted_on_the_cluster(runs: RunManager) -> None:
    run = runs.start(from_flat(SETTINGS | {"device": CLUSTER, "epochs": "2000"}))
    wait_until(lambda: runs.store.count(run) > 100)
    runs.pause(run)
    wait_until(lambda: is_still(runs, run))
    runs.adjust(run, temperature=2.0)
    runs.resume(run)
    wait_until(lambda: runs.store.was_adjusted(run))
    runs.stop(run)
    assert wait_for_end(runs, run) == "stopped"


def test_a_run_goes_on_here_when_its_cluster_vanishes(cluster: LocalCluster, runs: RunManager, tmp_path: Path) -> None:
    settings = SETTINGS | {"epochs": "3000"}
    run = runs.start(from_flat(settings | {"device": CLUSTER}))
    folder = runs.folder / "runs" / run
    wait_until((folder / "checkpoint.safetensors").exists)
    cluster.end_suddenly()
    assert wait_for_end(runs, run, 120) == INTERRUPTED
    assert "can no longer be reached" in runs.status(run).notice
    runs.resume_from_checkpoint(run)
    assert "goes on here" in runs.status(run).notice
    assert wait_for_end(runs, run, 120) == COMPLETED
    other = RunManager(tmp_path)
    alone = other.start(from_flat(settings))
    assert wait_for_end(other, alone, 120) == COMPLETED
    assert list(events(runs, run).values()) == list(events(other, alone).values())
    other.close()
    with pytest.raises(ClusterGoneError, match="Nothing listens"):
        Cluster(address(cluster)).executor()


def is_still(runs: RunManager, run: str) -> bool:
    count = runs.store.count(run)
    time.sleep(1)
    return runs.store.count(run) == count


def wait_until(condition: object, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)
