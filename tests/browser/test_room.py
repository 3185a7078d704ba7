"""A class in real browsers, a presenter and two members."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.conftest import parameter, wait_for_parameter
from tools.testing import axe
from tools.testing.app_server import Server


def test_members_follow_answer_once_and_train_together(server: Server, new_page: Callable[..., Page]) -> None:
    presenter = new_page()
    presenter.goto(f"{server.url}/learn?autoplay=0")
    presenter.get_by_role("button", name="Open a room").click()
    presenter.get_by_role("button", name=re.compile(r"^Room \w")).click()
    dialog = presenter.get_by_role("dialog")
    expect(dialog.get_by_role("img")).to_be_visible()
    assert axe.violations(presenter) == []
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
    presenter.get_by_role("button", name="Ask the class").click()
    first.get_by_role("button", name="All probabilities teach more.").click()
    expect(first.get_by_text("Your answer: All probabilities teach more.")).to_be_visible()
    expect(presenter.get_by_text("1 of 2 have answered.")).to_be_visible()
    assert axe.violations(second) == []
    presenter.get_by_role("button", name="Reveal the answers").click()
    expect(second.get_by_role("row", name="All probabilities teach more. 1")).to_be_visible()
    first.reload()  # the same browser, which has answered
    expect(first.get_by_role("row", name="All probabilities teach more. (yours) 1")).to_be_visible()
    expect(presenter.get_by_text("2 joined")).to_be_visible()

    second.get_by_role("heading", level=1).click()  # its owner looks around
    presenter.get_by_role("button", name="Train together").click()
    for member in members:
        member.get_by_role("button", name="Send").click()
        expect(member.get_by_text("Sent: T = 4")).to_be_visible()
    expect(presenter.get_by_text("2 of 2 have chosen a temperature")).to_be_visible()
    presenter.get_by_role("button", name="Train everybody’s student").click()
    sweep = wait_for_parameter(presenter, "sweep")
    wait_for_parameter(first, "sweep", sweep)
    expect(first.get_by_text("Your student trains at T = 4.")).to_be_visible()
    assert parameter(second, "sweep") == ""
    second.get_by_role("button", name="Follow again").click()
    wait_for_parameter(second, "sweep", sweep)
    assert second.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") == 390

    presenter.get_by_role("button", name="Close the room").click()
    expect(first.get_by_text("This room is closed. The app works without it.")).to_be_visible()
    first.get_by_role("button", name="Go on alone").click()
    expect(first.get_by_text("This room is closed")).to_have_count(0)
