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
from functools import partial
from pathlib import Path

import pytest

from kd_core.base.devices import CLUSTER, CLUSTER_VARIABLE
from kd_core.base.events import to_json
from kd_core.base.process import child_environment
from kd_core.config.run import from_flat
from kd_core.config.sweep import Axis, Sweep
from kd_core.config.sweep.search import Search, plan_search
from kd_core.runs.cluster.connection import Cluster
from kd_core.runs.cluster.executor import ClusterGoneError
from kd_core.runs.cluster.local_cluster import LocalCluster, end
from kd_core.runs.manager import COMPLETED, INTERRUPTED, RunManager
from kd_core.runs.sweeps.search_results import collect_search
from kd_core.store.records import PRUNED
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


def test_a_search_has_the_trials_of_one_process(runs: RunManager, tmp_path: Path) -> None:
    search = runs.start_search(searched(SETTINGS | {"device": CLUSTER}))
    assert wait_for_end(runs, search, 240) == COMPLETED
    here = RunManager(tmp_path)
    alone = here.start_search(searched(SETTINGS))
    assert wait_for_end(here, alone, 120) == COMPLETED
    assert trials(runs, search) == trials(here, alone)
    assert PRUNED in {run.state for run in runs.store.members(search)}
    here.close()


@pytest.mark.timeout(900)
def test_runs_sweeps_and_searches_go_on_here_when_the_head_of_their_cluster_is_killed(
    cluster: LocalCluster, runs: RunManager, tmp_path: Path
) -> None:
    settings = {
        "run": SETTINGS | {"epochs": "1500"},
        "sweep": SETTINGS | {"epochs": "1500"},
        "search": SETTINGS | {"epochs": "100"},
    }

    def start(where: RunManager, **device: str) -> list[str]:
        run, sweep, search = settings.values()
        return [
            where.start(from_flat(run | device)),
            where.start_sweep(Sweep(from_flat(sweep | device), (Axis("method", METHODS[:2]),), range(2))),
            where.start_search(searched(search | device)),
        ]

    cluster.add_node(2)
    assert runs.cluster is not None
    wait_until(lambda: runs.cluster.executor().capacity() == 3)
    names = start(runs, device=CLUSTER)
    for name in names:  # so that all of them are training when the head is killed
        runs.set_pace(name, 1.0)
    folder = runs.folder / "runs" / names[0]
    wait_until((folder / "checkpoint.safetensors").exists)
    wait_until(lambda: all(any(runs.store.count(run.id) for run in runs.store.members(name)) for name in names[1:]))
    cluster.end_suddenly()
    assert [wait_for_end(runs, name, 120) for name in names] == [INTERRUPTED] * 3
    for name in names:
        assert "resume it" in runs.status(name).notice
        runs.resume_from_checkpoint(name)
        assert "goes on here" in runs.status(name).notice
    assert [wait_for_end(runs, name, 240) for name in names] == [COMPLETED] * 3
    other = RunManager(tmp_path)
    alone = start(other)
    assert [wait_for_end(other, name, 240) for name in alone] == [COMPLETED] * 3
    assert [*map(partial(events, runs), names[:2])] == [*map(partial(events, other), alone[:2])]
    assert trials(runs, names[2]) == trials(other, alone[2])
    other.close()
    with pytest.raises(ClusterGoneError, match="Nothing listens"):
        Cluster(address(cluster)).executor()


def searched(settings: dict[str, str]) -> Search:
    space = {"learning_rate": "0.0001..0.1:log"}
    return plan_search(from_flat(settings), space, {}, (0, 1), trials=12, batch=4, confirmations=2)[0]


def trials(runs: RunManager, search: str) -> list[object]:
    ended = collect_search(runs.store, runs.store.sweep(search))
    each = [(trial.values, trial.state, trial.accuracy, trial.cell.epochs) for trial in ended.trials]
    return [*each, *(run.test for run in ended.confirmation)]


def is_still(runs: RunManager, run: str) -> bool:
    count = runs.store.count(run)
    time.sleep(1)
    return runs.store.count(run) == count


def wait_until(condition: object, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)
