"""Runs and sweeps that workers elsewhere train in parts; here the workers are threads that can be lost."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kd_core.base.devices import CLUSTER, CLUSTER_VARIABLE, default_devices, device_error, device_names
from kd_core.base.events import to_json
from kd_core.config.run import RunConfig, from_flat
from kd_core.config.sweep import Axis, Sweep
from kd_core.config.sweep.search import Search, plan_search
from kd_core.runs.cluster import driver, part
from kd_core.runs.cluster.executor import Cards, ClusterGoneError, Handle, LostError, ThreadExecutor
from kd_core.runs.cluster.part import DATA, MEMORY, Part, Report
from kd_core.runs.cluster.partition import cut
from kd_core.runs.manager import COMPLETED, FAILED, INTERRUPTED, STOPPED, RunManager
from kd_core.runs.sweeps.search_results import collect_search
from kd_core.store.records import PRUNED
from tools.testing.waiting import wait, wait_for_end

METHODS = (Axis("method", ("soft_targets", "dist")),)
KEPT = "This is stored: resume it, and it trains here."
LONG = "80"  # epochs, of a run in which something happens meanwhile


class Workers(ThreadExecutor):
    """Two threads, whose reports a test can replace by their number."""

    def __init__(self, answers: dict[int, Any] | None = None) -> None:
        super().__init__(Cards("cpu", 2))
        self._free = ["cpu", "cpu"]
        self.answers, self.parts = answers or {}, list[Part]()
        self._numbers = itertools.count()

    def start(self, one: Part, files: Any, phases: Sequence[Any]) -> Handle:
        self.parts.append(one)
        return super().start(one, files, phases)

    def wait(self, handles: Sequence[Handle], seconds: float) -> list[tuple[Handle, Any]]:
        results = []
        for handle, report in super().wait(handles, seconds):
            answer = self.answers.get(next(self._numbers), report)
            if isinstance(answer, ClusterGoneError):
                raise answer
            results.append((handle, answer))
        return results


class Connection:
    """Stands for a cluster at an address."""

    address, notice, problem = "ray://elsewhere:10001", "", ""

    def __init__(self, workers: Workers) -> None:
        self.workers, self.is_there = workers, True

    def executor(self) -> Workers:
        if self.problem:
            raise ClusterGoneError(self.problem)
        return self.workers

    def is_reachable(self) -> bool:
        return self.is_there

    def close(self) -> None:
        self.workers.close()


Managed = Callable[..., tuple[RunManager, Workers]]


@pytest.fixture
def managed(tmp_path: Path, often: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Managed]:
    monkeypatch.setenv(CLUSTER_VARIABLE, Connection.address)
    monkeypatch.setattr(driver, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(part, "REPORT_SECONDS", 0.02)
    opened = []

    def start(answers: dict[int, Any] | None = None) -> tuple[RunManager, Workers]:
        runs, workers = RunManager(tmp_path / "elsewhere", ["cpu", CLUSTER], ["cpu"]), Workers(answers)
        runs.cluster = Connection(workers)
        opened.append(runs)
        return runs, workers

    yield start
    for runs in opened:
        runs.close()


@pytest.fixture
def sweep(small_with: Callable[..., RunConfig]) -> Callable[..., Sweep]:
    return lambda **changes: Sweep(small_with(**changes), METHODS, range(4))


def events(runs: RunManager, run: str) -> list[list[str]]:
    rows = runs.store.members(run) or [runs.store.run(run)]
    return [[to_json(event) for _, event in runs.store.events(row.id)] for row in rows]


def trained_here(runs: RunManager, plan: Sweep | RunConfig) -> list[list[str]]:
    run = runs.start_sweep(plan) if isinstance(plan, Sweep) else runs.start(plan)
    assert wait_for_end(runs, run) == COMPLETED
    return events(runs, run)


def test_a_sweep_in_parts_has_the_numbers_of_one_process_though_workers_are_lost(
    managed: Managed, runs: RunManager, sweep: Callable[..., Sweep]
) -> None:
    elsewhere, _ = managed({6: LostError("it was killed"), 11: LostError("its node was switched off")})
    run = elsewhere.start_sweep(sweep(device=CLUSTER, epochs="16"))
    assert wait_for_end(elsewhere, run) == COMPLETED
    assert "with the same numbers" in elsewhere.status(run).notice
    assert {row.state for row in elsewhere.store.members(run)} == {COMPLETED}
    assert events(elsewhere, run) == trained_here(runs, sweep(epochs="16"))
    assert not list((elsewhere.folder / "sweeps" / run).glob("parts*"))


def test_a_teacher_that_parts_share_is_trained_once(managed: Managed, sweep: Callable[..., Sweep]) -> None:
    elsewhere, workers = managed()
    for _ in range(2):  # the second sweep finds it in the cache of this process
        run = elsewhere.start_sweep(sweep(device=CLUSTER))
        assert wait_for_end(elsewhere, run) == COMPLETED
    assert [one.is_teacher for one in workers.parts] == [True] + 4 * [False]


def test_commands_reach_the_worker_of_a_run(managed: Managed, small_with: Callable[..., RunConfig]) -> None:
    elsewhere, _ = managed()
    run = elsewhere.start(small_with(device=CLUSTER, epochs=LONG))
    wait(lambda: elsewhere.store.count(run) > 50)
    elsewhere.pause(run)
    wait(lambda: elsewhere._controls[run].mode.is_held)
    threading.Event().wait(0.5)  # the report on the way
    count = elsewhere.store.count(run)
    elsewhere.step(run)
    wait(lambda: elsewhere.store.count(run) > count)
    elsewhere.adjust(run, temperature=2.0)
    elsewhere.resume(run)
    wait(lambda: elsewhere.store.was_adjusted(run))
    elsewhere.stop(run)
    assert wait_for_end(elsewhere, run) == STOPPED
    assert elsewhere.store.run(run).test["student"]["accuracy"] > 0.3


def test_a_stopped_run_goes_on_here_without_its_cluster(
    managed: Managed, runs: RunManager, small_with: Callable[..., RunConfig]
) -> None:
    elsewhere, _ = managed()
    run = elsewhere.start(small_with(device=CLUSTER, epochs=LONG))
    wait(lambda: elsewhere.store.count(run) > 100)
    elsewhere.stop(run)
    assert wait_for_end(elsewhere, run) == STOPPED
    elsewhere.cluster.is_there = False
    elsewhere.resume_from_checkpoint(run)
    assert "goes on here, on cpu" in elsewhere.status(run).notice
    assert wait_for_end(elsewhere, run) == COMPLETED
    assert events(elsewhere, run) == trained_here(runs, small_with(epochs=LONG))


def test_a_sweep_goes_on_here_when_its_cluster_vanishes(
    managed: Managed, runs: RunManager, sweep: Callable[..., Sweep]
) -> None:
    gone = ClusterGoneError("The cluster at ray://elsewhere:10001 can no longer be reached.")
    elsewhere, _ = managed({10: gone})
    run = elsewhere.start_sweep(sweep(device=CLUSTER, epochs="16"))
    assert wait_for_end(elsewhere, run) == INTERRUPTED
    assert "can no longer be reached. What was trained is stored: resume it" in elsewhere.status(run).notice
    elsewhere.cluster.is_there = False
    elsewhere.resume_from_checkpoint(run)
    assert wait_for_end(elsewhere, run) == COMPLETED
    assert events(elsewhere, run) == trained_here(runs, sweep(epochs="16"))


@pytest.mark.parametrize("kind", ["run", "sweep", "search"])
def test_what_cannot_begin_on_a_cluster_is_said_and_trained_here(
    managed: Managed, small_with: Callable[..., RunConfig], sweep: Callable[..., Sweep], kind: str
) -> None:
    elsewhere, workers = managed()
    elsewhere.cluster.problem = "The node b of the cluster has torch 2.0.0, and this machine has 2.14.1."
    if kind == "run":
        run = elsewhere.start(small_with(device=CLUSTER))
    elif kind == "sweep":
        run = elsewhere.start_sweep(sweep(device=CLUSTER))
    else:
        pytest.importorskip("optuna")
        run = elsewhere.start_search(searched(small_with(device=CLUSTER, epochs="1"), trials=2))
    assert wait_for_end(elsewhere, run) == INTERRUPTED
    assert elsewhere.status(run).notice == f"{elsewhere.cluster.problem} {KEPT}"
    elsewhere.cluster.is_there = False
    elsewhere.resume_from_checkpoint(run)
    assert "goes on here, on cpu" in elsewhere.status(run).notice
    assert wait_for_end(elsewhere, run, 60) == COMPLETED
    assert not workers.parts


@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        (DATA, "The node b lacks data: MNIST cannot be downloaded."),
        (MEMORY, "A node of the cluster has too little memory: 40 GB."),
    ],
)
def test_what_no_node_can_train_is_said_and_stays_stored(
    managed: Managed, small_with: Callable[..., RunConfig], problem: str, reason: str
) -> None:
    lacks = Report(problem=problem, reason=reason)
    elsewhere, workers = managed(dict.fromkeys(range(driver.MAX_LOSSES), lacks))
    run = elsewhere.start(small_with(device=CLUSTER))
    assert wait_for_end(elsewhere, run) == INTERRUPTED
    assert f"{reason} What was" in elsewhere.status(run).notice
    assert len(workers.parts) == driver.MAX_LOSSES
    elsewhere.resume_from_checkpoint(run)
    assert wait_for_end(elsewhere, run) == COMPLETED


def test_a_run_whose_settings_a_worker_refuses_fails_with_its_sentence(
    managed: Managed, small_with: Callable[..., RunConfig]
) -> None:
    elsewhere, _ = managed({0: Report(problem="refused", reason="form = wide: there is no such form.")})
    run = elsewhere.start(small_with(device=CLUSTER))
    assert wait_for_end(elsewhere, run) == FAILED
    assert "there is no such form" in events(elsewhere, run)[0][-1]


def test_a_sweep_is_shared_out_over_devices_and_a_run_has_one(
    tmp_path: Path, runs: RunManager, sweep: Callable[..., Sweep], small_with: Callable[..., RunConfig]
) -> None:
    several = RunManager(tmp_path / "several", ["cpu", "cpu:0"])  # two names of one processor stand for two cards
    run = several.start_sweep(sweep(epochs="30"))
    wait(lambda: several.status(run).device in ("cpu, cpu:0", "cpu:0, cpu"))
    assert wait_for_end(several, run) == COMPLETED
    assert events(several, run) == trained_here(runs, sweep(epochs="30"))
    pair = [several.start(small_with(epochs=LONG, seed=seed)) for seed in ("5", "6")]
    wait(lambda: {several.status(one).device for one in pair} == {"cpu", "cpu:0"})
    several.close()


SPACE = {"learning_rate": "0.0001..0.1:log"}


def searched(config: RunConfig, trials: int = 12) -> Search:
    return plan_search(config, SPACE, {}, (0, 1), trials=trials, batch=4, confirmations=2)[0]


def outline(runs: RunManager, search: str) -> list[Any]:
    """What a search in parts must share with one of one process."""
    ended = collect_search(runs.store, runs.store.sweep(search))
    trials = [(trial.values, trial.state, trial.accuracy, trial.cell.epochs) for trial in ended.trials]
    return [*trials, *(run.test for run in ended.confirmation)]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["soft_targets", "hints"])  # the runs of the second cannot train side by side
def test_a_search_in_parts_has_the_trials_of_one_process_though_workers_and_the_cluster_are_lost(
    managed: Managed, runs: RunManager, small_with: Callable[..., RunConfig], method: str
) -> None:
    pytest.importorskip("optuna")
    gone = ClusterGoneError("The cluster at ray://elsewhere:10001 can no longer be reached.")
    elsewhere, _ = managed({8: LostError("it was killed"), 24: gone, 32: LostError("it was killed")})
    settings = {"method": method, "epochs": "12"}
    run = elsewhere.start_search(searched(small_with(device=CLUSTER, **settings)))
    assert wait_for_end(elsewhere, run, 120) == INTERRUPTED
    assert "can no longer be reached" in elsewhere.status(run).notice
    elsewhere.resume_from_checkpoint(run)
    assert wait_for_end(elsewhere, run, 120) == COMPLETED
    alone = runs.start_search(searched(small_with(**settings)))
    assert wait_for_end(runs, alone, 120) == COMPLETED
    assert outline(elsewhere, run) == outline(runs, alone)
    assert PRUNED in {row.state for row in elsewhere.store.members(run)}
    assert not list((elsewhere.folder / "sweeps" / run).iterdir())


@given(st.integers(1, 40), st.integers(1, 12))
def test_no_run_of_a_group_is_left_alone_in_a_part(runs: int, count: int) -> None:
    names = [str(number) for number in range(runs)]
    parts = cut(names, count)
    assert [name for some in parts for name in some] == names
    assert len(parts) <= count
    assert min(map(len, parts)) >= min(2, runs)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 5))
def test_a_trial_is_in_one_part(trials: int, count: int, seeds: int) -> None:
    parts = cut([str(number) for number in range(trials * seeds)], count, seeds)
    assert [name for some in parts for name in some] == [str(number) for number in range(trials * seeds)]
    assert len(parts) <= count
    assert not any(len(part) % seeds for part in parts)
    assert max(map(len, parts)) - min(map(len, parts)) <= seeds


def test_a_cluster_is_a_device_where_its_address_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(CLUSTER_VARIABLE, raising=False)
    assert CLUSTER_VARIABLE in device_error(CLUSTER)
    before = device_names(), default_devices()
    monkeypatch.setenv(CLUSTER_VARIABLE, "ray://elsewhere:10001")
    assert (device_names(), default_devices()) == ([*before[0], CLUSTER], before[1])
    assert not device_error(CLUSTER)
    assert from_flat({"device": CLUSTER}).compute.device == CLUSTER
