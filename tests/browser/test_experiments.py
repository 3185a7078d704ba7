"""Experiments page in a real browser."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.conftest import expect_to_fit, wait_for_parameter
from tools.testing.app_server import Server
from tools.testing.drawn_page import wait_until_drawn
from tools.testing.waiting import wait

TITLE = "A teacher corrects a student's wrong labels."


def test_a_claim_is_tested_by_the_keyboard_and_its_verdict_stays_in_its_row(
    server: Server, new_page: Callable[..., Page]
) -> None:
    page = new_page()
    page.goto(f"{server.url}/experiments?autoplay=0&find=wrong_labels")
    row = page.locator(".claim", has_text=TITLE)
    expect(row.get_by_text("not tested yet")).to_be_visible()
    expect(page.get_by_role("button", name="Test here")).to_be_visible()
    wait_until_drawn(page)
    place = row.bounding_box()
    page.get_by_role("button", name="Test here").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("stToast").get_by_text("Holds")).to_be_visible()  # for four seconds
    expect(row.get_by_text("= holds")).to_have_count(2)  # when it was written, and here
    expect(page.get_by_role("button", name="Test here")).to_have_count(0)
    wait(lambda: row.bounding_box() == place)
    row.get_by_text("why, and settings").press("Enter")
    expect(row.get_by_text("outvote the wrong ones")).to_be_visible()
    page.reload()
    expect(row.get_by_text("= holds")).to_have_count(2)
    row.get_by_text("why, and settings").click()
    row.get_by_role("link", name="open in Distill").click()
    wait_for_parameter(page, "wrong", "0.2")


def test_a_search_is_in_the_link_and_nothing_is_wider_than_a_phone(
    server: Server, new_page: Callable[..., Page]
) -> None:
    page = new_page(width=390, height=844)
    page.goto(f"{server.url}/experiments?autoplay=0")
    expect(page.locator(".claim b").nth(20)).to_be_visible()
    search = page.get_by_role("textbox", name="Search claims")
    search.fill("temperature tiny")
    search.press("Enter")
    wait_for_parameter(page, "find", "temperature tiny")
    expect(page.locator(".claim:not(.head)")).to_have_count(1)
    expect_to_fit(page, 390)
    assert page.evaluate("Math.max(...[...document.querySelectorAll('.claim')].map(row => row.scrollWidth))") <= 390
    paper = page.get_by_role("textbox", name="Search published benchmarks")
    paper.fill("mnist")
    paper.press("Enter")
    wait_for_parameter(page, "paper", "mnist")
    expect(page.get_by_test_id("stDataFrame")).to_have_count(1)
