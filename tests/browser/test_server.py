"""Tests of the server process, its links, its shutdown and its partial reruns."""

import signal
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from pages.ui.app.shell import TITLES
from tests.browser.test_distill import LONG, ended, start
from tools.testing.app_server import Server
from tools.testing.drawn_page import wait_until_drawn
from tools.testing.waiting import wait
from tools.testing.websocket_client import Visitor

New = Callable[..., Page]
Start = Callable[[], Server]


def test_after_a_restart_a_copied_link_opens_the_same_view_and_an_interrupted_run_is_resumed(
    start_server: Start, new_page: New
) -> None:
    first, page = start_server(), new_page()
    ended_run = start(page, first, "/distill?dataset=moons&epochs=3&teacher_epochs=1&temperature=7")
    ended(page, first, ended_run)
    wait_until_drawn(page)
    link = page.evaluate("location.href").removeprefix(first.url)
    verdict = page.get_by_text("One seed cannot").inner_text()
    run = start(page, first, LONG)
    stop_during(first, run, signal.SIGINT)
    again, visitor = start_server(), new_page()
    visitor.goto(again.url + link)  # the very first request this server gets
    expect(visitor.get_by_text(verdict)).to_be_visible()
    expect(visitor).to_have_title("Distill · Distillery")  # through app.py and its frame
    expect(visitor.get_by_role("slider", name="Temperature T")).to_have_value("7")
    for name in ("Start", "Distill"):
        expect(visitor.get_by_role("link", name=name).first).to_be_visible()
    expect(visitor).to_have_url(again.url + link)
    visitor.goto(f"{again.url}/distill?run={run}")
    expect(visitor.get_by_text("The app was closed during this run.")).to_be_visible()
    visitor.get_by_role("button", name="Resume").click()
    expect(visitor.get_by_role("button", name="Pause")).to_be_visible()
    stop_during(again, run, signal.SIGTERM)


def stop_during(server: Server, run: str, signal_number: signal.Signals) -> None:
    """Stop a server while it trains a run."""
    before = server.store().count(run)
    wait(lambda: server.store().count(run) > before + 10)
    begun = time.monotonic()
    assert server.stop(signal_number) in (0, -signal_number, 128 + signal_number)
    assert time.monotonic() - begun < 10
    assert "Traceback" not in server.log_text()
    assert server.store().run(run).state == "interrupted"


def test_autoplay_0_starts_nothing(server: Server, new_page: New) -> None:
    page = new_page()
    page.goto(server.url + "/?autoplay=0")
    expect(page.get_by_role("button", name="Watch it learn")).to_be_visible()
    wait_until_drawn(page)
    assert server.store().runs() == []


@pytest.mark.parametrize("page", TITLES)
def test_no_fragment_is_nested_in_another_one(server: Server, page: str) -> None:
    """Streamlit may drop the messages of the outer fragment and not those of the inner one, which breaks the page."""
    with Visitor.at(server.port) as visitor:
        visitor.open(page, "autoplay=0")
        for place, fragment in visitor.fragments_by_path.items():
            outer = {visitor.fragments_by_path.get(place[:end], "") for end in range(1, len(place))} - {"", fragment}
            assert not (fragment and outer), f"{place} of {page}"


def test_a_change_redraws_the_formula_and_the_texts_that_depend_on_it(server: Server) -> None:
    with Visitor.at(server.port) as visitor:
        visitor.open("distill", "autoplay=0&dataset=moons&labelled=40")
        assert "learns from 40 labelled" in visitor.text()
        visitor.change("Labels", 30)
        assert "learns from 30 labelled" in visitor.text()
        visitor.change("Teacher weight α", 0.25)
        assert "0.25" in visitor.text()
        assert {"labelled=30", "alpha=0.25"} <= set(visitor.query.split("&"))
        assert not visitor.errors


def test_no_traceback_ever_reaches_the_screen(server: Server, new_page: New) -> None:
    page = new_page()
    for path in (
        "/distill?temperature=NaN&alpha=-1&epochs=1e9&dataset=%3Cscript%3E",
        "/distill?run=../../etc",
        "/nowhere",
    ):
        page.goto(server.url + path)
        page.get_by_role("heading", level=1).first.wait_for()
        wait_until_drawn(page)
        assert page.get_by_text("Traceback").count() == 0
        assert page.locator("[data-testid=stException]").count() == 0
    page.goto(f"{server.url}/distill?autoplay=0")
    expect(page.get_by_role("button", name="Start training")).to_be_visible()  # the engine is imported by now


def test_a_second_app_on_a_data_folder_shows_the_first_ones_run_and_takes_over_when_that_is_closed(
    start_server: Start, new_page: New
) -> None:
    first = start_server()
    run = start(new_page(), first, LONG)
    second, page = start_server(), new_page()
    page.goto(f"{second.url}/distill?run={run}")
    expect(page.get_by_text("View only: an app, process")).to_be_visible()
    expect(page.get_by_text("Training: ")).to_be_visible()
    expect(page.get_by_role("button", name="Pause")).to_have_count(0)
    first.stop()
    expect(page.get_by_text("View only: an app, process")).to_have_count(0)
    page.reload()
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    assert "Traceback" not in second.log_text()
