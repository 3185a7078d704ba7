"""Members, answers and the presence of the presenter in the room of a class."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest
from streamlit.testing.v1 import AppTest

from kd_core.config.run import from_flat
from pages.ui.app.room import bar, together
from pages.ui.app.room import rooms as module
from pages.ui.app.room.rooms import ABSENT_SECONDS, FORGOTTEN_SECONDS, Chart, Room, Rooms


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def room(clock: Clock) -> Room:
    return Rooms(clock).open()


def test_the_view_changes_its_number_only_with_its_content(room: Room) -> None:
    room.show("temperature", {"run": "a", "T": "4"})
    room.show("temperature", {"T": "4", "run": "a"})
    assert room.view.number == 1
    room.show("temperature", {"T": "8", "run": "a"})
    assert (room.view.page, dict(room.view.parameters), room.view.number) == ("temperature", {"run": "a", "T": "8"}, 2)


def test_one_answer_counts_for_each_browser(room: Room) -> None:
    poll = room.ask("Which?", ("A", "B"))
    members = [room.join() for _ in range(3)]
    for member, choice in zip(members, (1, 1, 0), strict=True):
        room.answer(member, poll.number, choice)
    with pytest.raises(ValueError, match="already"):
        room.answer(members[0], poll.number, 0)
    assert poll.counts() == [1, 2]


@pytest.mark.parametrize("member", ["", "made up", "0" * 22])
def test_an_identifier_that_the_room_has_not_issued_is_refused(room: Room, member: str) -> None:
    poll = room.ask("Which?", ("A", "B"))
    room.gather((1.0, 4.0, 8.0))
    with pytest.raises(ValueError, match="has not joined"):
        room.answer(member, poll.number, 0)
    with pytest.raises(ValueError, match="has not joined"):
        room.choose(member, 4.0)
    assert room.join(member) != member
    assert poll.counts() == [0, 0]


def test_a_member_of_another_room_is_refused(clock: Clock) -> None:
    rooms = Rooms(clock)
    here, there = rooms.open(), rooms.open()
    poll, member = here.ask("Which?", ("A", "B")), there.join()
    with pytest.raises(ValueError, match="has not joined"):
        here.answer(member, poll.number, 0)


def test_an_answer_after_the_end_is_late_and_counts_apart(room: Room) -> None:
    poll, member, other = room.ask("Which?", ("A", "B")), room.join(), room.join()
    room.answer(member, poll.number, 0)
    room.reveal()
    with pytest.raises(ValueError, match="late"):
        room.answer(other, poll.number, 1)
    assert (poll.counts(), list(poll.late.values())) == ([1, 0], [1])
    following = room.ask("And now?", ("A", "B"))
    with pytest.raises(ValueError, match="over"):
        room.answer(other, poll.number, 1)
    with pytest.raises(ValueError, match="choose one of A, B"):
        room.answer(other, following.number, 2)
    assert following.counts() == [0, 0]


def test_a_browser_that_comes_back_keeps_its_identifier(room: Room) -> None:
    member = room.join()
    assert room.join(member) == member
    assert room.count == 1


def test_a_room_says_that_its_presenter_has_left_and_is_removed_much_later(clock: Clock) -> None:
    rooms = Rooms(clock)
    room = rooms.open()
    clock.now = ABSENT_SECONDS - 1
    assert room.has_presenter
    clock.now = ABSENT_SECONDS + 1
    assert not room.has_presenter
    room.show("start", {})
    assert room.has_presenter
    clock.now += FORGOTTEN_SECONDS + 1
    rooms.open()
    assert rooms.find(room.key) is None


def test_rooms_and_members_are_limited(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    monkeypatch.setattr(module, "MAX_ROOMS", 2)
    monkeypatch.setattr(module, "MAX_MEMBERS", 2)
    rooms = Rooms(clock)
    room = rooms.open()
    rooms.open()
    with pytest.raises(ValueError, match="2 rooms"):
        rooms.open()
    room.join()
    room.join()
    with pytest.raises(ValueError, match="full"):
        room.join()


def test_a_hundred_threads_lose_no_answer(room: Room) -> None:
    poll = room.ask("Which?", ("A", "B"))
    threads = [threading.Thread(target=lambda n=n: room.answer(room.join(), poll.number, n % 2)) for n in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert poll.counts() == [50, 50]
    assert room.count == 100


def test_values_are_taken_only_while_the_class_is_asked_for_them(room: Room) -> None:
    member = room.join()
    with pytest.raises(ValueError, match="does not choose"):
        room.choose(member, 4.0)
    room.gather((1.0, 4.0, 8.0))
    room.choose(member, 4.0)
    room.choose(member, 8.0)
    with pytest.raises(ValueError, match="value = 5: choose one of 1, 4, 8"):
        room.choose(member, 5.0)
    room.end_gathering("sweep")
    with pytest.raises(ValueError, match="does not choose"):
        room.choose(member, 1.0)
    assert list(room.values.values()) == [8.0]


def test_students_with_the_same_value_have_seeds_of_their_own_as_far_as_there_are_some(room: Room) -> None:
    room.gather((1.0, 4.0))
    members = [room.join() for _ in range(4)]
    for member, value in zip(members, (4.0, 4.0, 1.0, 4.0), strict=True):
        room.choose(member, value)
    assert list(room.students(2).values()) == [(4.0, 0), (4.0, 1), (1.0, 0), (4.0, 0)]
    assert list(room.students(6).values()) == [(4.0, 0), (4.0, 1), (1.0, 0), (4.0, 2)]


@pytest.mark.parametrize("temperature", together.TEMPERATURES)
def test_every_temperature_that_a_phone_can_choose_can_be_trained(temperature: float) -> None:
    assert from_flat(together.TEMPLATE | {"temperature": f"{temperature:g}"})


def test_marks_come_with_the_vote_and_only_numbers_on_the_axis_count(room: Room) -> None:
    poll = room.ask("Which?", ("A", "B"), Chart("chart", ("t1", "t2"), 60, 100))
    sent = ({"t1": 80, "t2": 101, "t9": 70}, {"t1": "90", "t2": float("nan")}, None, [1], {"t1": 61.5, "t2": 100})
    for marks in sent:
        room.answer(room.join(), poll.number, 0, marks)
    assert poll.counts() == [5, 0]
    assert poll.marks_by_point() == {"t1": [80, 61.5], "t2": [100]}


def test_what_has_happened_is_said_once_and_only_in_the_poll_about_it(room: Room) -> None:
    room.settle("chart", 1)
    poll = room.ask("Which?", ("A", "B"), Chart("chart"))
    revision = room.revision
    room.settle("another", 1)
    assert poll.outcome is None
    assert room.revision == revision
    room.settle("chart", 1)
    room.settle("chart", 0)
    assert poll.outcome == 1
    assert room.revision == revision + 1


@pytest.fixture
def class_room(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> Iterator[Room]:
    """A room of this process, on whose clock no time passes."""
    rooms = Rooms(clock)
    for user in (bar, module):
        monkeypatch.setattr(user, "rooms", rooms)
    room = rooms.open()
    room.show("learn", {})
    yield room
    rooms.close(room.key)


def captions(app: AppTest) -> list[str]:
    return [caption.value.replace("\\", "") for caption in app.caption]


def leave(app: AppTest) -> AppTest:
    return next(button for button in app.button if button.label == "Go on alone").click().run()


def test_a_phone_says_that_its_presenter_has_left_and_lets_its_owner_go_on(
    open_page: Callable[..., AppTest], class_room: Room, clock: Clock
) -> None:
    app = open_page("learn", room=class_room.key)
    assert "Following the presenter" in captions(app)
    clock.now = ABSENT_SECONDS + 1
    app.run()
    assert "The presenter has left. Wait for her, or go on alone." in captions(app)
    assert any(button.label == "Begin" for button in app.button)  # the page below works meanwhile
    class_room.show("learn", {})
    app.run()
    assert "Following the presenter" in captions(app)
    clock.now += ABSENT_SECONDS + 1
    app.run()
    leave(app)
    assert not [caption for caption in captions(app) if "presenter" in caption]
    assert "room" not in app.query_params
    assert not app.error


def test_a_closed_room_says_so(open_page: Callable[..., AppTest], class_room: Room) -> None:
    app = open_page("learn", room=class_room.key)
    bar.rooms.close(class_room.key)
    app.run()
    assert "This room is closed. The app works without it." in captions(app)
    leave(app)
    assert not [caption for caption in captions(app) if "room" in caption]
    assert not app.error


def test_a_full_room_says_so_and_the_page_works(
    open_page: Callable[..., AppTest], class_room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_MEMBERS", 0)
    app = open_page("learn", room=class_room.key)
    app.session_state["room identity"] = SimpleNamespace(stored="none")
    app.run()
    assert "This room is full: it has 0 members. You can use the app without it." in captions(app)
    assert any(button.label == "Begin" for button in app.button)
