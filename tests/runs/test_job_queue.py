"""Fairness of the job queue among owners."""

import sqlite3
import threading
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from kd_core.config.run import RunConfig
from kd_core.runs.job_queue import JobQueue
from kd_core.runs.manager import RunManager
from tools.testing.waiting import wait, wait_for_end


def serve(jobs: JobQueue, count: int) -> list[str]:
    """Return the order in which one device takes runs that end at once."""
    taken = []
    for _ in range(count):
        taken.append(jobs.next("cpu"))
        jobs.leave(taken[-1])
    return taken


def test_an_owner_with_many_runs_does_not_delay_others_by_all_of_them() -> None:
    jobs = JobQueue(["cpu"], ["cpu"])
    for run in ("a1", "a2", "a3", "a4", "b1", "c1", "b2"):
        jobs.put(run, "auto", run[0])
    assert jobs.next("cpu") == "a1"
    assert {run: jobs.count_ahead(run) for run in ("b1", "c1", "a2", "b2", "a3")} == {
        "b1": 1, "c1": 2, "a2": 3, "b2": 4, "a3": 5
    }  # fmt: skip
    assert jobs.runs_ahead("a2") == ["a1", "b1", "c1"]
    assert jobs.waiting_count("a") == 3
    jobs.leave("a1")
    assert serve(jobs, 6) == ["b1", "c1", "a2", "b2", "a3", "a4"]


def test_with_one_owner_runs_are_first_in_first_out() -> None:
    jobs = JobQueue(["cpu"], ["cpu"])
    for run in "abcde":
        jobs.put(run, "auto", "me")
    assert serve(jobs, 5) == list("abcde")


def test_a_run_borrows_a_device_that_has_nothing_to_do() -> None:
    jobs = JobQueue(["cuda:0", "cuda:1", "cuda:2", "cpu"], ["cuda:0", "cuda:1", "cuda:2"])
    jobs.put("sweep", "auto")
    assert jobs.next("cuda:0") == "sweep"
    assert jobs.borrow("sweep") is None  # no worker waits yet
    taken = []
    threads = [
        threading.Thread(target=lambda name=name: taken.append((name, jobs.next(name))), daemon=True)
        for name in ("cuda:1", "cuda:2", "cpu")
    ]
    for thread in threads:
        thread.start()
    wait(lambda: len(jobs._idle) == 3)
    assert {jobs.borrow("sweep"), jobs.borrow("sweep"), jobs.borrow("sweep")} == {"cuda:1", "cuda:2", None}
    assert jobs.devices_of("sweep")[0] == "cuda:0"
    assert set(jobs.devices_of("sweep")) == {"cuda:0", "cuda:1", "cuda:2"}
    jobs.put("run", "auto")
    assert not taken  # both are lent
    jobs.give_back("cuda:2")
    wait(lambda: taken == [("cuda:2", "run")])
    assert jobs.devices_of("run") == ["cuda:2"]
    jobs.put("next", "cuda:1")
    jobs.give_back("cuda:1")
    wait(lambda: ("cuda:1", "next") in taken)
    assert jobs.borrow("sweep") is None
    jobs.close()


def test_an_empty_queue_forgets_earlier_turns() -> None:
    jobs = JobQueue(["cpu"], ["cpu"])
    jobs.put("a1", "auto", "a")
    assert serve(jobs, 1) == ["a1"]
    jobs.put("a2", "auto", "a")
    jobs.put("b1", "auto", "b")
    assert serve(jobs, 2) == ["a2", "b1"]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(st.sampled_from("abcd"), st.none()), max_size=40))
def test_between_two_turns_of_an_owner_every_waiting_owner_has_one(actions: list[str | None]) -> None:
    # A letter is an owner who starts a run; at None the device takes a run, which ends at once.
    jobs, waiting, taken = JobQueue(["cpu"], ["cpu"]), {}, []
    jobs.put("held", "auto", "nobody")  # so that the queue is never empty and forgets no turn
    assert jobs.next("cpu") == "held"
    for number, owner in enumerate([*actions, *[None] * len(actions)]):
        if owner is not None:
            waiting.setdefault(owner, []).append(f"{owner}{number}")
            jobs.put(f"{owner}{number}", "auto", owner)
        elif any(waiting.values()):
            run = jobs.next("cpu")
            assert run == waiting[run[0]].pop(0)  # first in, first out for each owner
            jobs.leave(run)
            taken.append((run[0], {name for name, runs in waiting.items() if runs}))
    assert not any(waiting.values())
    for first, (owner, _) in enumerate(taken):
        again = next((at for at in range(first + 1, len(taken)) if taken[at][0] == owner), None)
        if again is None:
            continue
        between = [name for name, _ in taken[first + 1 : again]]
        always_waiting = set.intersection(*(names for _, names in taken[first:again]))
        assert always_waiting - {owner} <= set(between)
        if owner in always_waiting:
            assert len(between) == len(set(between))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=12))
def test_runs_are_taken_in_the_order_of_their_reported_place(owners: list[str]) -> None:
    jobs = JobQueue(["cpu"], ["cpu"])
    names = [f"{owner}{number}" for number, owner in enumerate(owners)]
    for name in names:
        jobs.put(name, "auto", name[0])
    places = {name: jobs.count_ahead(name) for name in names}
    assert serve(jobs, len(names)) == sorted(names, key=places.__getitem__)
    assert sorted(places.values()) == list(range(len(names)))


def test_many_threads_take_every_run_once() -> None:
    jobs, taken = JobQueue(["cpu"], ["cpu"]), []

    def work() -> None:
        while (run := jobs.next("cpu")) is not None:
            taken.append(run)
            jobs.leave(run)
            if len(taken) == 60:
                jobs.close()

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for number in range(60):
        jobs.put(f"{number}", "auto", "abc"[number % 3])
    for worker in workers:
        worker.join(10)
    assert sorted(taken, key=int) == [f"{number}" for number in range(60)]


def test_owners_take_turns_and_see_how_long_they_wait(runs: RunManager, small_with: Callable[..., RunConfig]) -> None:
    held = runs.start(small_with(epochs="400"), pace=0.05, owner="a")
    queued = [runs.start(small_with(seed=seed), owner="a") for seed in range(1, 4)]
    other = runs.start(small_with(seed="9"), owner="b")
    wait(lambda: runs.status(held).remaining > 0)
    assert [runs.status(run).ahead for run in (held, other, *queued)] == [0, 1, 2, 3, 4]
    assert (runs.waiting_count("a"), runs.waiting_count("b"), runs.waiting_count("c")) == (3, 1, 0)
    remaining, wait_seconds = runs.status(held).remaining, runs.status(other).wait
    assert 0.5 * remaining < wait_seconds < 2 * remaining
    assert runs.status(held).wait == 0.0
    runs.stop(held)
    for run in (other, *queued):
        assert wait_for_end(runs, run) == "completed"
    started = {run: first_event_time(runs, run) for run in (other, *queued)}
    assert sorted(started, key=started.__getitem__) == [other, *queued]


def first_event_time(runs: RunManager, run: str) -> float:
    with sqlite3.connect(runs.store.path) as db:
        return float(db.execute("SELECT min(at) FROM events WHERE run = ?", (run,)).fetchone()[0])
