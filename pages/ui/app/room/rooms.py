"""Rooms in which the browsers of a class follow a presenter, answer polls, and train together.

Rooms live in the memory of the server and end with it. They hold no names: a browser is known by an identifier that
the room has issued, and nothing else is accepted.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

LETTERS = "abcdefghjkmnpqrstuvwxyz"  # without those that are mistaken for others
KEY_LENGTH = 5
MAX_ROOMS, MAX_MEMBERS = 50, 500
ABSENT_SECONDS = 20.0  # without a sign of the presenter, after which a room says that she has left
FORGOTTEN_SECONDS = 4 * 3600.0  # after which a room without her is removed

Clock = Callable[[], float]


@dataclass(frozen=True)
class View:
    """Page of the presenter with its parameters, and how often it has changed."""

    page: str = ""
    parameters: tuple[tuple[str, str], ...] = ()
    number: int = 0


@dataclass(frozen=True)
class Chart:
    """Chart on which a member may mark what she expects.

    Attributes:
        key: Key of the browser component, the same in every session; "" for none.
        points: Keys of the columns that can be marked.
        low: Lower end of the value axis.
        high: Upper end.
    """

    key: str = ""
    points: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 0.0

    def valid(self, marks: object) -> dict[str, float]:
        """Return the marks that are numbers on the axis, by column; a browser may send anything."""
        pairs = marks.items() if isinstance(marks, Mapping) else ()
        return {
            key: float(value)
            for key, value in pairs
            if key in self.points and isinstance(value, int | float) and self.low <= value <= self.high
        }


@dataclass
class Poll:
    """A question to the class. Answers that come after it was closed are counted apart."""

    number: int
    question: str
    choices: tuple[str, ...]
    chart: Chart = Chart()
    votes: dict[str, int] = field(default_factory=dict)  # by member
    marks: dict[str, dict[str, float]] = field(default_factory=dict)  # by member and column, with the votes
    late: dict[str, int] = field(default_factory=dict)
    is_open: bool = True
    is_revealed: bool = False
    outcome: int | None = None  # the choice that has happened

    def counts(self) -> list[int]:
        """Return the number of answers for each choice, without late ones."""
        answers = list(self.votes.values())
        return [answers.count(choice) for choice in range(len(self.choices))]

    def marks_by_point(self) -> dict[str, list[float]]:
        """Return what the members have marked on the chart, by column."""
        every = list(self.marks.values())
        return {key: [marks[key] for marks in every if key in marks] for key in self.chart.points}


class Room:
    """One room. Every method may be called from any thread; refusals are ValueErrors with a sentence."""

    def __init__(self, key: str, clock: Clock = time.monotonic) -> None:
        self.key = key
        self.view = View()
        self.poll: Poll | None = None
        self.revision = 0  # grows when the pages of the members have something else to show
        self.values: dict[str, float] = {}  # of the members that train together, by member
        self.is_training_together = False  # whether members may choose their values
        self.sweep = ""  # id of the sweep that trains the students of the members
        self._allowed: frozenset[float] = frozenset()
        self._members: set[str] = set()
        self._clock, self._seen, self._opened = clock, clock(), clock()
        self._lock = threading.Lock()

    @property
    def count(self) -> int:
        """Number of browsers that have joined."""
        return len(self._members)

    @property
    def seconds(self) -> float:
        """Seconds since the room was opened."""
        return self._clock() - self._opened

    @property
    def has_presenter(self) -> bool:
        """Whether the presenter was here a moment ago."""
        return self._clock() - self._seen < ABSENT_SECONDS

    @property
    def is_forgotten(self) -> bool:
        """Whether the presenter has been away for hours."""
        return self._clock() - self._seen > FORGOTTEN_SECONDS

    def show(self, page: str, parameters: Mapping[str, str]) -> None:
        """Set what the presenter sees, as a sign of her presence."""
        with self._lock:
            self._seen = self._clock()
            content = (page, tuple(sorted(parameters.items())))
            if content != (self.view.page, self.view.parameters):
                self.view = View(*content, self.view.number + 1)

    def join(self, member: str = "") -> str:
        """Return the identifier of a browser, the one it names if the room has issued it. Raises ValueError if full."""
        with self._lock:
            if member in self._members:
                return member
            if len(self._members) >= MAX_MEMBERS:
                raise ValueError(f"This room is full: it has {MAX_MEMBERS} members. You can use the app without it.")
            issued = secrets.token_urlsafe(16)
            self._members.add(issued)
            return issued

    def ask(self, question: str, choices: Sequence[str], chart: Chart | None = None) -> Poll:
        """Open a poll, which ends the one before."""
        with self._lock:
            number = self.poll.number + 1 if self.poll else 1
            self.poll = Poll(number, question, tuple(choices), chart or Chart())
            self.revision += 1
            return self.poll

    def answer(self, member: str, number: int, choice: int, marks: object = None) -> None:
        """Count the answer of a member to a poll, with what she has marked on its chart.

        Raises ValueError for a browser that has not joined, a second answer, another poll, and a choice that there is
        not; after the end of the poll the answer is counted as late, and refused.
        """
        with self._lock:
            poll = self.poll
            if member not in self._members:
                raise ValueError("This browser has not joined the room. Open its link again.")
            if poll is None or poll.number != number:
                raise ValueError("This question is over. Answer the next one.")
            if not 0 <= choice < len(poll.choices):
                raise ValueError(f"choice = {choice}: choose one of {', '.join(poll.choices)}.")
            if member in poll.votes or member in poll.late:
                raise ValueError("You have answered this question already. One answer counts.")
            if not poll.is_open:
                poll.late[member] = choice
                raise ValueError("The question was closed before your answer, which is counted as late.")
            poll.votes[member], poll.marks[member] = choice, poll.chart.valid(marks)

    def reveal(self) -> None:
        """Close the poll and show its answers."""
        with self._lock:
            if self.poll is not None and not self.poll.is_revealed:
                self.poll.is_open, self.poll.is_revealed = False, True
                self.revision += 1

    def settle(self, chart: str, outcome: int) -> None:
        """Say which choice has happened, if the poll is about the chart with this key."""
        with self._lock:
            if self.poll is not None and self.poll.chart.key == chart and self.poll.outcome is None:
                self.poll.outcome = outcome
                self.revision += 1

    def gather(self, allowed: Collection[float]) -> None:
        """Ask every member for a value to train with, one of those that are ``allowed``."""
        with self._lock:
            self.values, self.is_training_together = {}, True
            self._allowed, self.sweep = frozenset(allowed), ""

    def end_gathering(self, sweep: str) -> None:
        """Keep the values as they are, and the sweep that trains them."""
        with self._lock:
            self.is_training_together, self.sweep = False, sweep

    def students(self, max_seeds: int) -> dict[str, tuple[float, int]]:
        """Return the value and the seed of the student of every member; those with one value have several seeds."""
        with self._lock:
            taken: Counter[float] = Counter()
            students = {}
            for member, value in self.values.items():
                students[member] = value, taken[value] % max_seeds
                taken[value] += 1
            return students

    def choose(self, member: str, value: float) -> None:
        """Set the value with which a member wants to train.

        Raises ValueError for a browser that has not joined, another value, and where no values are asked for.
        """
        with self._lock:
            if not self.is_training_together:
                raise ValueError("The class does not choose values now. Wait until the presenter asks for them.")
            if member not in self._members:
                raise ValueError("This browser has not joined the room. Open its link again.")
            if value not in self._allowed:
                allowed = ", ".join(f"{one:g}" for one in sorted(self._allowed))
                raise ValueError(f"value = {value:g}: choose one of {allowed}.")
            self.values[member] = value


class Rooms:
    """The rooms of a server."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._rooms: dict[str, Room] = {}
        self._clock, self._lock = clock, threading.Lock()

    def open(self) -> Room:
        """Open a room. Raises ValueError if there are too many."""
        with self._lock:
            self._rooms = {key: room for key, room in self._rooms.items() if not room.is_forgotten}
            if len(self._rooms) >= MAX_ROOMS:
                raise ValueError(f"There are {MAX_ROOMS} rooms on this server already. Close one of them.")
            key = _new_key()
            while key in self._rooms:
                key = _new_key()
            self._rooms[key] = Room(key, self._clock)
            return self._rooms[key]

    def find(self, key: str) -> Room | None:
        """Return the room with this key, or None."""
        with self._lock:
            return self._rooms.get(key.strip().lower())

    def close(self, key: str) -> None:
        """Close a room, if there is one with this key."""
        with self._lock:
            self._rooms.pop(key, None)


def _new_key() -> str:
    return "".join(secrets.choice(LETTERS) for _ in range(KEY_LENGTH))


rooms = Rooms()
