"""Delays of thirty phones in the room of a class, and that they can do nothing else.

``python -m benchmarks.room`` takes some two minutes, prints one table and writes the same numbers to
data/bench/room.json.

The phones are sessions without a browser: they ask as often as a browser would, read every message and draw nothing,
so the seconds are those of the server and of the connection. All of them run in one process, which shares the cores
with the server; thirty browsers on the same machine would need more than it has. A delay is measured from the moment
when the presenter's browser sends its message, or a phone its own, until the phone has received what follows from it.
"""

from __future__ import annotations

import os
import queue
import re
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.support.rows import Row, report
from kd_core.store.records import ACTIVE, COMPLETED
from kd_core.store.store import Store
from tools.testing.app_server import Server
from tools.testing.waiting import wait
from tools.testing.websocket_client import Visitor

PHONES, ROUNDS = 30, 3
AIM = 1.0  # seconds for 95 of 100 delays
PASSWORD = "benchmark"
LESSON = "smoothing"
TEMPERATURES = ("0.5", "1.0", "2.0", "3.0", "4.0", "8.0", "16.0", "20.0")  # of the phones
PAUSE = 0.7  # seconds between two actions of the presenter

Seen = Callable[[Visitor], bool]


class Phone(threading.Thread):
    """Phone of the class, which draws what is due until ``is_open`` is False."""

    def __init__(self, visitor: Visitor) -> None:
        super().__init__(daemon=True)
        self.visitor, self.is_open = visitor, True
        self.errors: list[str] = []
        self._jobs: queue.SimpleQueue[tuple[Callable[[Visitor], Any], Future[float]]] = queue.SimpleQueue()
        self._awaited: tuple[Seen, Future[float]] | None = None

    def do(self, action: Callable[[Visitor], Any]) -> Future[float]:
        """Do something, and return the seconds that it takes from now on."""
        future: Future[float] = Future()
        self._jobs.put((action, future))
        return future

    def when(self, seen: Seen) -> Future[float]:
        """Return the time on the monotonic clock at which something is first seen."""
        future: Future[float] = Future()
        self._awaited = seen, future
        return future

    def run(self) -> None:
        try:
            while self.is_open:
                self._turn()
        except Exception as error:  # reported in the table
            self.errors.append(repr(error))

    def _turn(self) -> None:
        if not self._jobs.empty():
            action, done = self._jobs.get()
            begun = time.monotonic()
            action(self.visitor)
            done.set_result(time.monotonic() - begun)
        self.visitor.run_due_fragments()
        if (awaited := self._awaited) is not None and awaited[0](self.visitor):
            self._awaited = None
            awaited[1].set_result(time.monotonic())
        time.sleep(0.005)


class Classroom:
    """A presenter with an open room, and the phones that have joined it."""

    def __init__(self, server: Server, stack: ExitStack) -> None:
        self.presenter = stack.enter_context(Visitor.at(server.port))
        self.presenter.open("learn")
        self.presenter.press("Log in", Password=PASSWORD)
        self.presenter.press("Open a room")
        self.key = next(
            element.label.removeprefix("Room ")
            for kind, element in self.presenter.elements
            if kind == "button" and element.label.startswith("Room ")
        )
        self.phones = [Phone(stack.enter_context(Visitor.at(server.port))) for _ in range(PHONES)]

    def join(self) -> list[float]:
        """Let one phone after the other join, and return how long each took."""
        seconds = []
        for phone in self.phones:
            begun = time.monotonic()
            phone.visitor.open("", f"room={self.key}")
            phone.visitor.set_component("room_member", stored="none")
            seconds.append(time.monotonic() - begun)
            phone.start()
        self.see(lambda visitor: f"{PHONES} joined" in visitor.text())
        return seconds

    def see(self, seen: Seen) -> None:
        """Draw the presenter's page until something is seen on it."""
        end = time.monotonic() + 60.0
        while not seen(self.presenter):
            assert time.monotonic() < end, self.presenter.text()[-2000:]
            self.presenter.run_due_fragments()
            time.sleep(0.02)

    def delays(self, act: Callable[[Visitor], Any], seen: Seen) -> list[float]:
        """Let the presenter do something, and return after how many seconds each phone has seen what follows."""
        end = time.monotonic() + PAUSE
        while time.monotonic() < end:
            self.presenter.run_due_fragments()
            time.sleep(0.02)
        awaited = [phone.when(seen) for phone in self.phones]
        begun = time.monotonic()
        act(self.presenter)
        while not all(future.done() for future in awaited) and time.monotonic() < begun + 30.0:
            self.presenter.run_due_fragments()
            time.sleep(0.02)
        return [future.result(0.1) - begun for future in awaited]

    def all_do(self, action: Callable[[int, Visitor], Any]) -> list[float]:
        """Let every phone do something at once, and return the seconds of each."""
        futures = [phone.do(lambda visitor, n=n: action(n, visitor)) for n, phone in enumerate(self.phones)]  # type: ignore[misc]
        return [future.result(60.0) for future in futures]


def measure() -> list[Row]:
    """Measure every delay of an hour with a class."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        server = Server(Path(folder), DISTILLERY_PRESENTER_PASSWORD=PASSWORD, OMP_WAIT_POLICY="PASSIVE")
        stack.callback(server.stop)
        room = Classroom(server, stack)
        rows = [Row("joining", "s", room.join())]
        rows += [_follow(room, server.store()), *_polls(room), *_together(room, server.store())]
        errors = [error for phone in room.phones for error in (*phone.errors, *phone.visitor.errors)]
        for phone in room.phones:
            phone.is_open = False
        for phone in room.phones:
            phone.join(30.0)
        print("\n".join(f"  {error}" for error in errors[:5]), flush=True)
        for row in rows:
            row.aim, row.met = f"p95 < {AIM:g}", row.p95 < AIM
        failed = Row("errors", "", [float(len(errors))], "0")
        failed.met = not errors and "Traceback" not in server.log_text()
        print(f"load {os.getloadavg()[0]:.1f} at the end", flush=True)
        return [*rows, failed]


def _follow(room: Classroom, store: Store) -> Row:
    """Train a lesson, go through pages, a temperature and an epoch, and return the delays of following."""
    room.presenter.open("learn", f"lesson={LESSON}")
    room.presenter.press("Train the networks of this lesson")
    room.see(lambda visitor: "Draw it." in visitor.text() or "Lock my prediction" in str(visitor.elements))
    run = store.in_state(COMPLETED)[0].id
    views = [
        ("temperature", f"run={run}"), ("temperature", f"run={run}&temperature=8"),
        ("temperature", f"run={run}&temperature=8&epoch=2"), ("inspect", f"run={run}"), ("distill", f"run={run}"),
        ("learn", "lesson=alpha"), ("learn", "lesson=luck"),
    ]  # fmt: skip
    delays = []
    for page, query in views:
        expected = set(query.split("&"))
        seconds = room.delays(
            lambda visitor, page=page, query=query: visitor.open(page, query),  # type: ignore[misc]
            lambda visitor, expected=expected: (  # type: ignore[misc]
                visitor.page == room.presenter.page and expected <= set(visitor.query.split("&"))
            ),
        )
        print(f"  following to {page}?{query}: {Row('', '', seconds).summary()}", flush=True)
        delays += seconds
    return Row("following to another view", "s", delays)


def _polls(room: Classroom) -> list[Row]:
    """Return the delays of a question, of an answer, and of revealing the answers."""
    presenter = room.presenter
    presenter.open("learn", "lesson=smoothing")
    presenter.press("Train the networks of this lesson")
    room.see(lambda visitor: "Lock my prediction" in str(visitor.elements))
    questions, answers, answers_seen = [], [], []
    for number in range(ROUNDS):
        vote = re.compile(rf"vote {number + 1} ")
        questions += room.delays(
            lambda visitor: visitor.press("Ask the class"),
            lambda visitor, vote=vote: any(vote.search(getattr(element, "id", "")) for _, element in visitor.elements),  # type: ignore[misc]
        )
        answers += room.all_do(lambda n, visitor, vote=vote: _vote(visitor, vote, n))  # type: ignore[misc]
        room.see(lambda visitor: f"{PHONES} of {PHONES} have answered" in visitor.text())
        answers_seen += room.delays(
            lambda visitor: visitor.press("Reveal the answers"), lambda visitor: "(yours)" in _html(visitor)
        )
        for phone in room.phones:  # the bars of this round are not those of the next one
            phone.do(lambda visitor: visitor.elements.clear()).result(30.0)
    return [
        Row("a question on the phone", "s", questions), Row("a vote, until the phone says so", "s", answers),
        Row("the revealed answers", "s", answers_seen),
    ]  # fmt: skip


def _vote(visitor: Visitor, vote: re.Pattern[str], number: int) -> None:
    choices = [element.id for kind, element in visitor.elements if kind == "button" and vote.search(element.id)]
    visitor.press_widget(choices[number % len(choices)])
    assert "Your answer" in visitor.text(), visitor.text()


def _html(visitor: Visitor) -> str:
    return "".join(element.body for kind, element in visitor.elements if kind == "html")


def _together(room: Classroom, store: Store) -> list[Row]:
    """Return the delays of asking for temperatures, sending one, and following to the map, and how long it takes."""
    gathered = room.delays(
        lambda visitor: visitor.press("Train together"),
        lambda visitor: any(getattr(element, "label", "") == "Send" for _, element in visitor.elements),
    )
    room.all_do(lambda n, visitor: visitor.change("Your student’s temperature", TEMPERATURES[n % len(TEMPERATURES)]))
    sent = room.all_do(lambda _, visitor: visitor.press("Send"))
    room.see(lambda visitor: f"{PHONES} of {PHONES} have chosen" in visitor.text())
    begun = time.monotonic()
    started = room.delays(
        lambda visitor: visitor.press("Train everybody’s student"), lambda visitor: "The class trains" in visitor.text()
    )
    every = f"{PHONES} of {PHONES} have a result"
    wait(lambda: not store.in_state(*ACTIVE), 120.0)
    print(f"  {PHONES} students trained after {time.monotonic() - begun:.1f} s", flush=True)
    complete = [phone.when(lambda visitor: every in visitor.text()) for phone in room.phones]
    for future in complete:
        future.result(30.0)
    sweep = store.sweeps()[0].id
    followed = room.delays(
        lambda visitor: visitor.open("sweep", f"sweep={sweep}"), lambda visitor: f"sweep={sweep}" in visitor.query
    )
    return [
        Row("the question for a temperature", "s", gathered), Row("sending a temperature", "s", sent),
        Row("the map of the class", "s", started), Row("following to the page Sweep", "s", followed),
    ]  # fmt: skip


if __name__ == "__main__":
    report("room", __doc__, measure)
