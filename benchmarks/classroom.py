"""A class on one machine: ``python -m benchmarks.classroom``, some two minutes.

Thirty sessions without a browser go from page to page while one run trains, look at that run and at one that is over,
and draw again by themselves what a browser would. They take the messages and paint nothing, so the seconds are the
server’s and the wire’s. Each looks at a page for four to twelve seconds. Before that every session has opened one page,
which counts nowhere, and while nothing trains the CPU time is counted that every page of the run that is over costs a
fresh session, others having looked before. Prints one table and writes the same numbers to data/bench/room.json.
"""

from __future__ import annotations

import random
import statistics
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path

from benchmarks.support.rows import Row, report
from benchmarks.support.serving import spent
from kd_core.config.run import from_flat
from kd_core.store.records import COMPLETED
from kd_core.store.store import Store
from tools.testing.app_server import Server
from tools.testing.websocket_client import Visitor

SESSIONS, SECONDS = 30, 60.0
PAGES = ("start", "distill", "temperature", "inspect", "compare", "experiments", "sweep")
THINK = (4.0, 12.0)  # seconds that one looks at a page
AIM = 1.0  # seconds for 95 of 100 interactions
OPENINGS = 10  # of each page, by sessions of their own
WORD = "bench"
LONG = {"dataset": "digits", "labelled": "0", "teacher_epochs": "2"}
RUN, OVER = "0123456789", "9876543210"


class Browsing(threading.Thread):
    """One session, from its first page to ``end`` on the monotonic clock."""

    def __init__(self, visitor: Visitor, seed: int) -> None:
        super().__init__(daemon=True)
        self.visitor, self.chance = visitor, random.Random(seed)
        self.end = 0.0
        self.took: list[tuple[str, float]] = []
        self.trouble: list[str] = []

    def run(self) -> None:
        try:
            while time.monotonic() < self.end:
                due = time.monotonic() + self.chance.uniform(*THINK)
                while (now := time.monotonic()) < due:
                    self.visitor.tick()
                    time.sleep(min(0.05, max(0.0, due - now)))
                page = self.chance.choice(PAGES)
                seconds = self.visitor.open(page, shown_by(page, self.chance.choice((RUN, OVER))))
                self.took.append((page, seconds))
        except Exception as error:  # counted, and said in the table
            self.trouble.append(repr(error))


def shown_by(page: str, run: str) -> str:
    """The address of a page that shows a run, if it can."""
    if page in ("start", "sweep", "experiments"):
        return "autoplay=0"
    # There is nothing to inspect of a run that trains.
    return f"run={OVER if page == 'inspect' else run}"


def crowd() -> list[Row]:
    """Seconds of every interaction, errors, and the speed of the run with and without a crowd."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        # A run that goes on does so at full speed; one that is started is slowed down for those who watch.
        store = Store(Path(folder) / "distillery.sqlite")
        for run, epochs in ((OVER, "30"), (RUN, "10000")):
            store.add(run, from_flat(LONG | {"epochs": epochs}), "interrupted")
        server = Server(
            Path(folder), DISTILLERY_PRESENTER_PASSWORD=WORD, DISTILLERY_MAX_EPOCHS="0", OMP_WAIT_POLICY="PASSIVE"
        )
        stack.callback(server.end)
        presenter = stack.enter_context(Visitor.at(server.port))
        presenter.open("distill", f"run={RUN}")
        door = next(each for kind, each in presenter.elements if kind == "button" and each.form_id == "door")
        presenter.send(door.id, Password=WORD)
        costs = []
        for run in (OVER, RUN):
            presenter.open("distill", f"run={run}")
            presenter.press("Resume")
            costs += _costs(server) if run == OVER else []
        alone = _rate(server, 8.0)
        print(f"  alone: {alone:.0f} steps/s", flush=True)
        people = [Browsing(stack.enter_context(Visitor.at(server.port)), seed) for seed in range(SESSIONS)]
        for one in people:
            one.visitor.open("distill", f"run={RUN}")
        end = time.monotonic() + SECONDS
        for one in people:
            one.end = end
            one.start()
        crowded = _rate(server, SECONDS - 2.0)
        for one in people:
            one.join(60.0)
        took = [seconds for one in people for _, seconds in one.took]
        for page in PAGES:
            own = [seconds for one in people for name, seconds in one.took if name == page]
            if own:
                print(f"  {page}: {len(own)} times, median {statistics.median(own):.2f} s", flush=True)
        errors = [said for one in people for said in (*one.trouble, *one.visitor.errors)]
        errors += ["a session never ended"] * sum(one.is_alive() for one in people)
        print("\n".join(f"  {said}" for said in errors[:5]), flush=True)
        clicks = Row(f"{SESSIONS} sessions browsing, interaction", "s", took, f"p95 ≤ {AIM:g}")
        clicks.met = clicks.p95 <= AIM
        wrong = Row(f"{SESSIONS} sessions browsing, errors", "", [float(len(errors))], "0")
        wrong.met = not errors and "Traceback" not in server.said()
        return [
            *costs,
            clicks,
            wrong,
            Row("The run alone", "events/s", [alone]),
            Row(f"The run, {SESSIONS} sessions browsing", "events/s", [crowded]),
        ]


def _costs(server: Server) -> list[Row]:
    """Milliseconds on a core, of all threads of the server, for each opening of a page."""
    store, end, rows = server.store(), time.monotonic() + 60.0, []
    while (row := store.run(OVER)) is None or row.state != COMPLETED:
        assert time.monotonic() < end, "the run does not end"
        time.sleep(0.2)
    for page in PAGES:
        for opening in range(1 + OPENINGS):
            if opening == 1:
                before = spent(server.process.pid).total
            with Visitor.at(server.port) as visitor:
                visitor.open(page, shown_by(page, OVER))
        used = 1000 * (spent(server.process.pid).total - before) / OPENINGS
        rows.append(Row(f"Opening {page} while nothing trains", "ms of CPU", [used]))
        print(f"  {page}: {used:.0f} ms", flush=True)
    return rows


def _rate(server: Server, seconds: float) -> float:
    """Events per second of the run from now on; nearly all of them are steps."""
    store, end = server.store(), time.monotonic() + 60.0
    while store.count(RUN) < 100:
        assert time.monotonic() < end, "nothing trains"
        time.sleep(0.2)
    before, begun = store.count(RUN), time.monotonic()
    time.sleep(seconds)
    return (store.count(RUN) - before) / (time.monotonic() - begun)


if __name__ == "__main__":
    report("room", __doc__, crowd)
