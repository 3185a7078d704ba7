"""The waiting line is fair among owners."""

import sqlite3
import threading
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from kd_core.config.run import RunConfig
from kd_core.runs.job_queue import JobQueue
from kd_core.runs.manager import RunManager
from tools.testing.waiting import wait, wait_for_end


def served(line: JobQueue, count: int) -> list[str]:
    """The order in which one device takes runs that end at once."""
    found = []
    for _ in range(count):
        found.append(line.next("cpu"))
        line.leave(found[-1])
    return found


def test_who_starts_many_makes_nobody_wait_for_all_of_them() -> None:
    line = JobQueue(["cpu"], ["cpu"])
    for run in ("a1", "a2", "a3", "a4", "b1", "c1", "b2"):
        line.put(run, "auto", run[0])
    assert line.next("cpu") == "a1"
    assert {run: line.count_ahead(run) for run in ("b1", "c1", "a2", "b2", "a3")} == {
        "b1": 1, "c1": 2, "a2": 3, "b2": 4, "a3": 5
    }  # fmt: skip
    assert line.runs_ahead("a2") == ["a1", "b1", "c1"]
    assert line.waiting_count("a") == 3
    line.leave("a1")
    assert served(line, 6) == ["b1", "c1", "a2", "b2", "a3", "a4"]


def test_with_one_owner_it_is_first_come_first_served() -> None:
    line = JobQueue(["cpu"], ["cpu"])
    for run in "abcde":
        line.put(run, "auto", "me")
    assert served(line, 5) == list("abcde")


def test_an_empty_line_owes_nobody_anything() -> None:
    line = JobQueue(["cpu"], ["cpu"])
    line.put("a1", "auto", "a")
    assert served(line, 1) == ["a1"]
    line.put("a2", "auto", "a")
    line.put("b1", "auto", "b")
    assert served(line, 2) == ["a2", "b1"]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(st.sampled_from("abcd"), st.none()), max_size=40))
def test_between_two_turns_of_one_owner_everybody_who_waits_has_one(happened: list[str | None]) -> None:
    """A letter: that owner starts a run. None: the device takes one, which ends at once. In the end all are taken."""
    line, waiting, taken = JobQueue(["cpu"], ["cpu"]), {}, []
    line.put("held", "auto", "nobody")  # so that the line is never empty, and forgets no turn
    assert line.next("cpu") == "held"
    for number, owner in enumerate([*happened, *[None] * len(happened)]):
        if owner is not None:
            waiting.setdefault(owner, []).append(f"{owner}{number}")
            line.put(f"{owner}{number}", "auto", owner)
        elif any(waiting.values()):
            run = line.next("cpu")
            assert run == waiting[run[0]].pop(0)  # of one owner: first come, first served
            line.leave(run)
            taken.append((run[0], {own for own, runs in waiting.items() if runs}))
    assert not any(waiting.values())
    for first, (owner, _) in enumerate(taken):
        again = next((at for at in range(first + 1, len(taken)) if taken[at][0] == owner), None)
        if again is None:
            continue
        between = [own for own, _ in taken[first + 1 : again]]
        patient = set.intersection(*(own for _, own in taken[first:again]))  # who waited all the time
        assert patient - {owner} <= set(between)
        if owner in patient:
            assert len(between) == len(set(between))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=12))
def test_the_place_that_is_said_is_the_place_that_is_had(owners: list[str]) -> None:
    line = JobQueue(["cpu"], ["cpu"])
    names = [f"{owner}{number}" for number, owner in enumerate(owners)]
    for name in names:
        line.put(name, "auto", name[0])
    said = {name: line.count_ahead(name) for name in names}
    assert served(line, len(names)) == sorted(names, key=said.__getitem__)
    assert sorted(said.values()) == list(range(len(names)))


def test_many_threads_take_every_run_once() -> None:
    line, found = JobQueue(["cpu"], ["cpu"]), []

    def work() -> None:
        while (run := line.next("cpu")) is not None:
            found.append(run)
            line.leave(run)
            if len(found) == 60:
                line.close()

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for number in range(60):
        line.put(f"{number}", "auto", "abc"[number % 3])
    for worker in workers:
        worker.join(10)
    assert sorted(found, key=int) == [f"{number}" for number in range(60)]


def test_sessions_take_turns_and_are_told_how_long_they_wait(
    runs: RunManager, small_with: Callable[..., RunConfig]
) -> None:
    held = runs.start(small_with(epochs="400"), pace=0.05, owner="a")
    own = [runs.start(small_with(seed=seed), owner="a") for seed in range(1, 4)]
    other = runs.start(small_with(seed="9"), owner="b")
    wait(lambda: runs.status(held).remaining > 0)
    assert [runs.status(run).ahead for run in (held, other, *own)] == [0, 1, 2, 3, 4]
    assert (runs.waiting_count("a"), runs.waiting_count("b"), runs.waiting_count("c")) == (3, 1, 0)
    left, said = runs.status(held).remaining, runs.status(other).wait
    assert 0.5 * left < said < 2 * left
    assert runs.status(held).wait == 0.0
    runs.stop(held)
    for run in (other, *own):
        assert wait_for_end(runs, run) == "completed"
    begun = {run: at(runs, run) for run in (other, *own)}
    assert sorted(begun, key=begun.__getitem__) == [other, *own]


def at(runs: RunManager, run: str) -> float:
    """When a run said its first word."""
    with sqlite3.connect(runs.store.path) as db:
        return float(db.execute("SELECT min(at) FROM events WHERE run = ?", (run,)).fetchone()[0])
