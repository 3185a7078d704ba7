"""Delays of thirty real browsers in the room of a class, all on the machine of the server.

``python -m benchmarks.room_browsers`` takes some five minutes, prints one table and writes the same numbers to
data/bench/room_browsers.json. Phones of a class have processors of their own; here thirty pages and the server share
the cores of one machine, so the delays are mostly those of drawing thirty pages. ``benchmarks.room`` measures the
server and the connection alone.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Sequence
from functools import partial

from playwright.sync_api import Browser, BrowserContext, Page, expect

from benchmarks.support.rows import Row, report
from benchmarks.support.serving import Server
from benchmarks.support.visitor import open_browser

PHONES, ROUNDS = 30, 4
AIM = 1.0  # seconds for 95 of 100 delays
TIMEOUT = 120_000.0  # milliseconds
LESSON = "smoothing"
# Promise of the time at which a condition holds on the page, by the clock that all pages share.
WATCH = """(condition) => {
  const holds = new Function(`return ${condition}`);
  window.seen = new Promise((resolve) => {
    const timer = setInterval(() => { if (holds()) { clearInterval(timer); resolve(Date.now()); } }, 25);
  });
}"""
TEXT = "document.querySelector('[data-testid=stMain]').innerText.includes(%r)"
PRESS = """([selector, number, time]) => setTimeout(() => {
  const buttons = document.querySelectorAll(selector);
  buttons[number % buttons.length].click();
}, time - Date.now())"""


def visit(browser: Browser, errors: list[str], width: int, height: int) -> Page:
    """Open an empty page as another visitor, whose errors are collected."""
    context: BrowserContext = browser.new_context(viewport={"width": width, "height": height})
    context.set_default_timeout(TIMEOUT)
    page = context.new_page()
    page.on("pageerror", lambda error: errors.append(str(error)))
    return page


def join(phones: Sequence[Page], link: str) -> list[float]:
    """Let one phone after the other join by the link, and return the seconds that each took."""
    seconds = []
    for phone in phones:
        begun = time.monotonic()
        phone.goto(link, wait_until="commit")
        phone.get_by_text("Following the presenter").wait_for()
        seconds.append(time.monotonic() - begun)
    return seconds


def delays(phones: Sequence[Page], condition: str, act: Callable[[], float]) -> list[float]:
    """Do something that returns when it was done, and return after how many seconds a condition held on each phone."""
    for phone in phones:
        phone.evaluate(WATCH, condition)
    begun = act()
    return [(phone.evaluate("window.seen") - begun) / 1000 for phone in phones]


def clicked(presenter: Page, name: str) -> float:
    """Click a button of the presenter and return the time in milliseconds, before the click."""
    button = presenter.get_by_role("button", name=name)
    expect(button).to_be_enabled()
    return timed(presenter, button.click)


def timed(presenter: Page, act: Callable[[], None]) -> float:
    """Let the presenter do something and return the time in milliseconds, before it was done."""
    begun = float(presenter.evaluate("Date.now()"))
    act()
    return begun


def all_press(phones: Sequence[Page], selector: str) -> float:
    """Let all phones press a button at the same time, which is returned in milliseconds."""
    at = float(phones[0].evaluate("Date.now()")) + 2000
    for number, phone in enumerate(phones):
        phone.evaluate(PRESS, [selector, number, at])
    return at


def measure() -> list[Row]:
    """Join, follow, answer a question and train together."""
    errors: list[str] = []
    with open_browser() as browser, Server() as server:
        presenter = visit(browser, errors, 1280, 900)
        presenter.goto(f"{server.url}/learn?lesson={LESSON}&autoplay=0")
        presenter.get_by_role("button", name="Open a room").click()
        presenter.get_by_role("button", name=re.compile(r"^Room \w")).click()
        link = presenter.get_by_role("dialog").get_by_text(re.compile(r"room=\w+")).first.inner_text()
        presenter.keyboard.press("Escape")
        phones = [visit(browser, errors, 390, 844) for _ in range(PHONES)]
        rows = [Row("joining, one after the other", "s", join(phones, f"http://{link}&autoplay=0"))]
        expect(presenter.get_by_text(f"{PHONES} joined")).to_be_visible(timeout=TIMEOUT)

        following: list[float] = []
        for _ in range(ROUNDS // 2):
            for turn, is_there in (("PageDown", "!=="), ("PageUp", "===")):
                condition = f"new URLSearchParams(location.search).get('lesson') {is_there} '{LESSON}'"
                following += delays(
                    phones, condition, partial(timed, presenter, partial(presenter.keyboard.press, turn))
                )
                presenter.wait_for_timeout(3000)
        presenter.get_by_role("button", name="Train the networks of this lesson").click()
        expect(presenter.get_by_role("button", name="Lock my prediction")).to_be_visible(timeout=TIMEOUT)
        expect(presenter.get_by_role("button", name="Ask the class")).to_be_enabled()
        votes = "[class*='st-key-vote-1-'] button"
        questions = delays(phones, f'document.querySelector("{votes}")', lambda: clicked(presenter, "Ask the class"))
        answered = delays(phones, TEXT % "Your answer", lambda: all_press(phones, votes))
        expect(presenter.get_by_text(f"{PHONES} of {PHONES} have answered")).to_be_visible()
        revealed = delays(phones, TEXT % "(yours)", lambda: clicked(presenter, "Reveal the answers"))
        send = ".st-key-send-temperature button"
        gathered = delays(phones, f"document.querySelector('{send}')", lambda: clicked(presenter, "Train together"))
        sent = delays(phones, TEXT % "Sent", lambda: all_press(phones, send))
        expect(presenter.get_by_text(f"{PHONES} of {PHONES} have chosen")).to_be_visible()
        started = delays(phones, TEXT % "The class trains", lambda: clicked(presenter, "Train everybody’s student"))
        expect(presenter.get_by_text(f"{PHONES} of {PHONES} have a result")).to_be_visible(timeout=TIMEOUT)
        rows += [
            Row("following to another lesson", "s", following), Row("a question on the phone", "s", questions),
            Row("a vote, until the phone says so", "s", answered), Row("the revealed answers", "s", revealed),
            Row("the question for a temperature", "s", gathered), Row("sending a temperature", "s", sent),
            Row("the map of the class", "s", started),
        ]  # fmt: skip
        for row in rows[1:]:
            row.aim, row.met = f"p95 < {AIM:g}", row.p95 < AIM
        print("\n".join(f"  {error}" for error in errors[:5]), flush=True)
        print(f"load {os.getloadavg()[0]:.1f} at the end", flush=True)
        failed = Row("errors", "", [float(len(errors))], "0")
        failed.met = not errors and "Traceback" not in server.log_text()
        return [*rows, failed]


if __name__ == "__main__":
    report("room_browsers", __doc__, measure)
