"""A class in real browsers, a presenter and two members, and requests that no browser would send."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from pages.ui.app.room import together
from tests.browser.conftest import expect_to_fit, parameter, wait_for_parameter
from tools.testing import axe
from tools.testing.app_server import Server
from tools.testing.waiting import wait
from tools.testing.websocket_client import Visitor

PASSWORD = "open sesame"
LESSON_SWEEPS = 2  # of the lesson that is opened, one per family


def test_members_follow_answer_once_and_train_together(server: Server, new_page: Callable[..., Page]) -> None:
    presenter = new_page()
    presenter.goto(f"{server.url}/learn?autoplay=0")
    presenter.get_by_role("button", name="Open a room").click()
    wait_for_parameter(presenter, "projector", "1")
    presenter.get_by_role("button", name=re.compile(r"^Room \w")).click()
    dialog = presenter.get_by_role("dialog")
    expect(dialog.get_by_role("img")).to_be_visible()
    assert axe.violations(presenter) == []
    expect(dialog).to_contain_text(re.compile(r"room=\w+"))
    key = re.search(r"room=(\w+)", dialog.inner_text())[1]
    presenter.keyboard.press("Escape")

    members = [new_page(width=390, height=844) for _ in range(2)]
    for member in members:
        member.goto(f"{server.url}/?room={key}&autoplay=0")
        expect(member.get_by_text("Following the presenter")).to_be_visible()
        expect(member).to_have_url(re.compile("/learn"))
    expect(presenter.get_by_text("2 joined")).to_be_visible()

    presenter.keyboard.press("PageDown")  # a clicker
    assert wait_for_parameter(presenter, "lesson") == "soft_targets"
    for member in members:
        wait_for_parameter(member, "lesson", "soft_targets")

    first, second = members
    presenter.get_by_role("button", name="Train the networks of this lesson").click()
    answer_and_compare(presenter, first, second)

    second.get_by_role("heading", level=1).click()  # its owner looks around
    presenter.get_by_role("button", name="Train together").click()
    for member in members:
        member.get_by_role("button", name="Send").click()
        expect(member.get_by_text("Sent: T = 4")).to_be_visible()
    expect(presenter.get_by_text("2 of 2 have chosen a temperature")).to_be_visible()
    presenter.get_by_role("button", name="Train everybody’s student").click()
    for member, seed in ((first, 0), (second, 1)):
        expect(member.get_by_text("2 of 2 have a result")).to_be_visible()
        expect(member.get_by_text(re.compile(rf"Your student: T = 4, seed {seed}, [\d.]+"))).to_be_visible()
        expect(member.get_by_role("img", name=re.compile("mean by temperature: T = 4: "))).to_be_visible()
    presenter.get_by_role("link", name="Open on Sweep").click()
    sweep = wait_for_parameter(presenter, "sweep")
    wait_for_parameter(first, "sweep", sweep)
    assert parameter(second, "sweep") == ""
    second.get_by_role("button", name="Follow again").click()
    wait_for_parameter(second, "sweep", sweep)
    expect_to_fit(second, 390)

    presenter.get_by_role("button", name="Close the room").click()
    expect(first.get_by_text("This room is closed. The app works without it.")).to_be_visible()
    first.get_by_role("button", name="Go on alone").click()
    expect(first.get_by_text("This room is closed")).to_have_count(0)


def answer_and_compare(presenter: Page, first: Page, second: Page) -> None:
    """Let one of two members answer, reveal that, and see what happens beside it."""
    presenter.get_by_role("button", name="Ask the class").click(timeout=180_000)  # after ten runs
    column = first.get_by_role("slider", name="Your prediction for all probabilities")
    column.click()  # an answer, which does not stop it from following
    expect(column).not_to_have_attribute("aria-valuetext", "none yet")
    expect(first.get_by_text("Following the presenter")).to_be_visible()
    first.get_by_role("button", name="All probabilities teach more.").click()
    expect(first.get_by_text("Your answer: All probabilities teach more.")).to_be_visible()
    expect(presenter.get_by_text("1 of 2 have answered.")).to_be_visible()
    assert axe.violations(second) == []
    presenter.get_by_role("button", name="Reveal the answers").click()
    expect(second.get_by_role("row", name="All probabilities teach more. 1")).to_be_visible()
    first.reload()  # the same browser, which has answered
    expect(first.get_by_role("row", name="All probabilities teach more. (yours) 1")).to_be_visible()
    expect(presenter.get_by_text("2 joined")).to_be_visible()
    for page in (presenter, first, second):  # the mark stays on the chart, beside what happens
        expect(page.get_by_text(re.compile("the class expected, on average, all probabilities"))).to_be_visible()
    presenter.get_by_text("Both teach the same.", exact=True).last.click()
    presenter.get_by_role("button", name="Lock my prediction").click()
    expect(presenter.get_by_text("What did you see?")).to_be_visible()
    presenter.get_by_text("All probabilities teach more.", exact=True).last.click()
    presenter.get_by_role("button", name="That is what I saw").click()
    happened = re.compile("(All probabilities teach more|Both teach the same).*✓ happened")
    for page in (presenter, first, second):
        expect(page.get_by_role("row", name=happened)).to_be_visible()
    expect(first.get_by_text(re.compile("It is (not )?(as|what) you predicted"))).to_be_visible()


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path, DISTILLERY_PRESENTER_PASSWORD=PASSWORD)
    yield server
    server.stop()
    assert "Traceback" not in server.log_text()


def opened_room(presenter: Visitor) -> str:
    presenter.open("learn", "lesson=soft_targets")
    presenter.press("Log in", Password=PASSWORD)
    presenter.press("Open a room")
    labels = [element.label for kind, element in presenter.elements if kind == "button"]
    return next(label.removeprefix("Room ") for label in labels if label.startswith("Room "))


def join(phone: Visitor, key: str, stored: object = "none") -> None:
    phone.open("", f"room={key}")
    phone.set_component("room_member", stored=stored)


def draw_until(visitor: Visitor, text: str) -> None:
    """Draw again what is due until a text is on the page."""

    def is_there() -> bool:
        visitor.run_due_fragments()
        return text in visitor.text() + html(visitor) + "".join(
            getattr(one, "label", "") for _, one in visitor.elements
        )

    wait(is_there)


def test_a_phone_can_do_nothing_but_follow_vote_and_train_whatever_it_sends(guarded: Server) -> None:
    at, port = Visitor.at, guarded.port
    with at(port) as presenter, at(port) as other, at(port) as one, at(port) as two, at(port) as outsider:
        key, other_key = opened_room(presenter), opened_room(other)
        # An identifier that the room has not issued, and values that no browser sends, make a new member.
        join(one, key, "made up")
        join(two, key, {"room": [key] * 3})
        join(outsider, other_key)
        with at(port) as stray:
            stray.open("learn", "room=zzzzz")
            assert "This room is closed." in stray.text()
        draw_until(presenter, "2 joined")
        buttons = {
            label: presenter.find("button", label).id
            for label in ("Close the room", "Train together", "Train the networks of this lesson")
        }
        presenter.press("Train the networks of this lesson")
        wait(lambda: guarded.store().in_state("completed") and not guarded.store().in_state("queued", "training"), 120)
        presenter.open("learn", presenter.query)
        buttons["Ask the class"] = presenter.find("button", "Ask the class").id
        for widget in buttons.values():  # the presenter's clicks, from a phone
            one.press_widget(widget)
        presenter.run_due_fragments()
        assert "have answered" not in presenter.text()
        assert len(guarded.store().sweeps()) == LESSON_SWEEPS

        presenter.press("Ask the class")
        draw_until(one, "choose:")
        draw_until(two, "choose:")
        votes = [element.id for kind, element in one.elements if kind == "button" and "vote 1 " in element.id]
        made_up = votes[0].replace("vote 1 0", "vote 1 7")
        for widget in (made_up, presenter.find("button", "Reveal the answers").id):
            one.press_widget(widget)
        outsider.press_widget(votes[0])  # from another room
        one.press_widget(votes[0])
        one.press_widget(votes[1])  # once more
        draw_until(presenter, "1 of 2 have answered")
        with at(port) as thief:  # who claims to be the first phone of the other room
            join(thief, other_key, "made up")
            thief.press_widget(votes[1])
        presenter.press("Reveal the answers")
        assert ">1</td>" in rows(presenter)[0]
        two.press_widget(votes[2])  # after the end
        draw_until(presenter, "1 came too late")
        assert [">0</td>" in row for row in rows(presenter)[-2:]] == [True, True]
        train_alone(guarded, presenter, one, (two, outsider))


def train_alone(server: Server, presenter: Visitor, one: Visitor, others: Sequence[Visitor]) -> None:
    """Let one phone take part in the training of the class, while others send what they may not."""
    two, outsider = others
    presenter.press("Train together")
    draw_until(one, "Your student’s temperature")
    send = one.find("button", "Send").id
    one.change("Your student’s temperature", "1000")
    outsider.press_widget(send)
    assert "0 of 2 have chosen" in presenter.text()
    one.press_widget(send)
    draw_until(presenter, "1 of 2 have chosen")
    one.press_widget(presenter.find("button", "Train everybody’s student").id)
    assert len(server.store().sweeps()) == LESSON_SWEEPS
    presenter.press("Train everybody’s student")
    two.press_widget(send)  # after the end
    (base,) = {str(run.config.method.temperature) for run in server.store().members(server.store().sweeps()[0].id)}
    assert float(base) in together.TEMPERATURES
    assert "1 of 1 have a result" in presenter.text() or "0 of 1 have a result" in presenter.text()


def html(visitor: Visitor) -> str:
    return "".join(element.body for kind, element in visitor.elements if kind == "html")


def rows(visitor: Visitor) -> list[str]:
    return re.findall(r"<tr>.*?</tr>", html(visitor))
