"""Compare page in a real browser."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from benchmarks.support import stored_runs
from tests.browser.conftest import SHOTS, expect_to_fit, wait_for_parameter, whole_picture
from tools.testing import axe
from tools.testing.app_server import Server
from tools.testing.drawn_page import wait_until_drawn


def test_a_run_selected_in_the_table_is_in_the_link_which_opens_the_same_view_on_another_server(
    start_server: Callable[[], Server], new_page: Callable[..., Page]
) -> None:
    server = start_server()
    stored_runs.fill(server.folder, 4)
    page = new_page()
    page.goto(f"{server.url}/compare?runs={2:010x},{0:010x}&curve=agreement&log_y=true")
    expect(page.get_by_text("2 of 4 compared")).to_be_visible()
    expect(page.locator(".st-key-chart-curves .annotation-text")).to_have_count(2)
    grid = page.get_by_test_id("stDataFrame").first
    wait_until_drawn(page)
    grid.click(position={"x": 16, "y": 36 * 1.5})  # the checkbox of the newest row, two seeds of an experiment
    expect(page.get_by_text("3 of 4 compared")).to_be_visible()
    expect(page.locator(".st-key-chart-curves .annotation-text")).to_have_count(3)
    wait_for_parameter(page, "runs", f"{2:010x},{0:010x},{3:010x}")
    wait_until_drawn(page)
    grid.click(position={"x": 33 + 56 + 40, "y": 18})  # the header of the data
    wait_for_parameter(page, "order", "data")
    expect(page.get_by_text("3 of 4 compared")).to_be_visible()
    link = page.evaluate("location.href").removeprefix(server.url)
    whole_picture(page, SHOTS / "compare-light-1280.png")
    server.stop()

    fresh = start_server()
    small = new_page(width=390, height=844, color_scheme="dark")
    small.goto(fresh.url + link)
    expect(small.get_by_text("3 of 4 compared")).to_be_visible()
    labels = small.locator(".st-key-chart-curves .annotation-text")  # at the ends of the curves
    expect(labels).to_have_count(3)
    for label in ("A student", "B student", "C student"):
        expect(labels.filter(has_text=label)).to_have_count(1)
    expect(small.get_by_text("Agreement with the teacher, %").first).to_be_visible()
    expect(small.get_by_role("checkbox", name="Log values")).to_be_checked()
    expect(small.get_by_role("heading", name="Is the gain significant?")).to_be_visible()
    expect_to_fit(small, 390)
    whole_picture(small, SHOTS / "compare-dark-390.png")


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_axe_finds_nothing(server: Server, new_page: Callable[..., Page], width: int, scheme: str) -> None:
    if not server.store().runs():
        stored_runs.fill(server.folder, 12)
    page = new_page(width=width, height=844, color_scheme=scheme)
    page.goto(f"{server.url}/compare")
    expect(page.get_by_role("heading", name="Is the gain significant?")).to_be_visible()
    expect(page.locator(".st-key-chart-gains .js-plotly-plot")).to_be_visible()
    assert axe.violations(page) == []
    expect_to_fit(page, width)
