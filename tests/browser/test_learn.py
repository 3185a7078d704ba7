"""A lesson in a real browser, from the prediction to the explanation."""

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.conftest import expect_to_fit, wait_for_parameter
from tools.testing import axe
from tools.testing.app_server import Server
from tools.testing.drawn_page import wait_until_drawn


def test_lesson_2_is_played_by_keyboard_and_explained_in_the_learners_numbers(
    server: Server, new_page: Callable[..., Page]
) -> None:
    page = new_page(width=390, height=844)
    page.goto(f"{server.url}/learn?autoplay=0&lesson=temperature")
    page.get_by_role("button", name="Train the networks of this lesson").press("Enter")
    columns = page.get_by_role("slider")
    expect(columns).to_have_count(5)
    expect(page.get_by_text("no teacher:")).to_be_hidden()  # results come after the prediction
    wait_until_drawn(page)
    columns.nth(2).focus()
    for key in ("ArrowUp", "ArrowUp", "PageUp", "ArrowDown"):  # the first one places the mark in the middle
        page.keyboard.press(key)
    expect(columns.nth(2)).to_have_attribute("aria-valuetext", "85.0\u00a0%")
    assert axe.violations(page) == []
    page.get_by_text("A higher T teaches more.").click()
    page.get_by_role("button", name="Lock my prediction").click()
    assert wait_for_parameter(page, "guess") == "0"
    assert wait_for_parameter(page, "marks") == "t4:85"
    expect(page.get_by_text("What did you see?")).to_be_visible()
    caption = page.locator(".dst-prediction-chart p")
    expect(caption).to_contain_text(re.compile(r"T\s=\s4: [\d.]+\s%.*(you were)"))
    page.get_by_text("A higher T teaches more.").click()
    page.get_by_role("button", name="That is what I saw").click()
    expect(page.get_by_text("Change one thing.")).to_be_visible()
    expect(caption).to_contain_text(re.compile(r"T\s=\s8: [\d.]+\s%"))
    values = dict(re.findall(r"(T\s=\s\d+): ([\d.]+)\s%", caption.inner_text()))
    explanation = page.locator(".dst-explanation").nth(1)  # after the idea; its module loads after the text around it
    for temperature in ("1", "4", "8"):
        expect(explanation).to_contain_text(values[next(name for name in values if name.split()[-1] == temperature)])
    assert axe.violations(page) == []
    expect_to_fit(page, 390)
    page.get_by_role("button", name="All lessons").click()
    expect(page.get_by_text("2. Temperature · completed")).to_be_visible()
    page.reload()
    expect(page.get_by_text("2. Temperature · completed")).to_be_visible()
