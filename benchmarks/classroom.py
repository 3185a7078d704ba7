"""Response times of the server with a class of thirty sessions on one machine.

``python -m benchmarks.classroom`` takes some two minutes, prints one table and writes the same numbers to
data/bench/classroom.json.

Thirty sessions without a browser open one page after the other while one run trains. The pages show that run or a
completed one, and the sessions redraw by themselves what a browser would. They read the messages and draw nothing, so
the seconds are those of the server and of the connection. Each session stays on a page for four to twelve seconds.
Before that, every session opens one page, which is not counted. While nothing trains, the CPU time is measured that
every page of the completed run costs when a new session opens it, after another session has opened it before.
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
from benchmarks.support.serving import cpu_time
from kd_core.config.run import from_flat
from kd_core.store.records import COMPLETED
from kd_core.store.store import Store
from tools.testing.app_server import Server
from tools.testing.websocket_client import Visitor

SESSIONS, SECONDS = 30, 60.0
PAGES = ("start", "distill", "temperature", "inspect", "compare", "experiments", "sweep")
STAY = (4.0, 12.0)  # seconds that a session stays on a page
AIM = 1.0  # seconds for 95 of 100 openings of a page
OPENINGS = 10  # of each page, each by a new session
PASSWORD = "benchmark"
LONG = {"dataset": "digits", "labelled": "0", "teacher_epochs": "2"}
RUN, COMPLETED_RUN = "0123456789", "9876543210"  # ids


class Session(threading.Thread):
    """A session that opens pages until ``end`` on the monotonic clock."""

    def __init__(self, visitor: Visitor, seed: int) -> None:
        super().__init__(daemon=True)
        self.visitor, self.random = visitor, random.Random(seed)
        self.end = 0.0
        self.durations: list[tuple[str, float]] = []  # of every page opened, in seconds
        self.errors: list[str] = []

    def run(self) -> None:
        try:
            while time.monotonic() < self.end:
                due = time.monotonic() + self.random.uniform(*STAY)
                while (now := time.monotonic()) < due:
                    self.visitor.run_due_fragments()
                    time.sleep(min(0.05, max(0.0, due - now)))
                page = self.random.choice(PAGES)
                seconds = self.visitor.open(page, query_of(page, self.random.choice((RUN, COMPLETED_RUN))))
                self.durations.append((page, seconds))
        except Exception as error:  # reported in the table
            self.errors.append(repr(error))


def query_of(page: str, run: str) -> str:
    """Return the query of the address of a page, with a run on the pages that show one."""
    if page in ("start", "sweep", "experiments"):
        return "autoplay=0"
    # Inspect shows nothing of a run in training.
    return f"run={COMPLETED_RUN if page == 'inspect' else run}"


def measure() -> list[Row]:
    """Measure the seconds of every page opened, the errors, and the speed of the run with and without the sessions."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        # A resumed run trains at full speed; a started one is slowed down for its viewers.
        store = Store(Path(folder) / "distillery.sqlite")
        for run, epochs in ((COMPLETED_RUN, "30"), (RUN, "10000")):
            store.add(run, from_flat(LONG | {"epochs": epochs}), "interrupted")
        server = Server(
            Path(folder), DISTILLERY_PRESENTER_PASSWORD=PASSWORD, DISTILLERY_MAX_EPOCHS="0", OMP_WAIT_POLICY="PASSIVE"
        )
        stack.callback(server.stop)
        presenter = stack.enter_context(Visitor.at(server.port))
        presenter.open("distill", f"run={RUN}")
        presenter.press("Log in", Password=PASSWORD)
        costs = []
        for run in (COMPLETED_RUN, RUN):
            presenter.open("distill", f"run={run}")
            presenter.press("Resume")
            costs += _costs(server) if run == COMPLETED_RUN else []
        alone = _rate(server, 8.0)
        print(f"  alone: {alone:.0f} steps/s", flush=True)
        sessions = [Session(stack.enter_context(Visitor.at(server.port)), seed) for seed in range(SESSIONS)]
        for session in sessions:
            session.visitor.open("distill", f"run={RUN}")
        end = time.monotonic() + SECONDS
        for session in sessions:
            session.end = end
            session.start()
        crowded = _rate(server, SECONDS - 2.0)
        for session in sessions:
            session.join(60.0)
        durations = [duration for session in sessions for duration in session.durations]
        for page in PAGES:
            if seconds := [seconds for name, seconds in durations if name == page]:
                print(f"  {page}: {len(seconds)} times, median {statistics.median(seconds):.2f} s", flush=True)
        errors = [error for session in sessions for error in (*session.errors, *session.visitor.errors)]
        errors += ["a session did not end"] * sum(session.is_alive() for session in sessions)
        print("\n".join(f"  {error}" for error in errors[:5]), flush=True)
        name = f"{SESSIONS} sessions browsing"
        opened = Row(f"{name}, opening a page", "s", [seconds for _, seconds in durations], f"p95 ≤ {AIM:g}")
        opened.met = opened.p95 <= AIM
        failed = Row(f"{name}, errors", "", [float(len(errors))], "0")
        failed.met = not errors and "Traceback" not in server.log_text()
        return [
            *costs,
            opened,
            failed,
            Row("The run alone", "events/s", [alone]),
            Row(f"The run, {name}", "events/s", [crowded]),
        ]


def _costs(server: Server) -> list[Row]:
    """Measure the CPU time of all threads of the server for opening each page, in milliseconds."""
    store, end, rows = server.store(), time.monotonic() + 60.0, []
    while (row := store.run(COMPLETED_RUN)) is None or row.state != COMPLETED:
        assert time.monotonic() < end, "the run did not end"
        time.sleep(0.2)
    for page in PAGES:
        for opening in range(1 + OPENINGS):
            if opening == 1:
                before = cpu_time(server.process.pid).total
            with Visitor.at(server.port) as visitor:
                visitor.open(page, query_of(page, COMPLETED_RUN))
        used = 1000 * (cpu_time(server.process.pid).total - before) / OPENINGS
        rows.append(Row(f"Opening {page} while nothing trains", "ms of CPU", [used]))
        print(f"  {page}: {used:.0f} ms", flush=True)
    return rows


def _rate(server: Server, seconds: float) -> float:
    """Measure the events per second of the run, nearly all of which are steps."""
    store, end = server.store(), time.monotonic() + 60.0
    while store.count(RUN) < 100:
        assert time.monotonic() < end, "the run does not train"
        time.sleep(0.2)
    before, begun = store.count(RUN), time.monotonic()
    time.sleep(seconds)
    return (store.count(RUN) - before) / (time.monotonic() - begun)


if __name__ == "__main__":
    report("classroom", __doc__, measure)
