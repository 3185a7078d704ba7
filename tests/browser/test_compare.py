"""Compare page in a real browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from benchmarks.support import stored_runs
from tests.browser.conftest import SHOTS, wait_for_parameter, whole_picture
from tools.testing import axe
from tools.testing.app_server import Server


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Server with stored runs of two families."""
    folder = tmp_path_factory.mktemp("compared")
    stored_runs.fill(folder, 12)
    server = Server(folder)
    yield server
    server.stop()


def labels(page: Page) -> list[str]:
    """Return the labels at the ends of the curves."""
    texts = page.locator(".st-key-chart-curves .annotation-text").all_text_contents()
    return sorted(text.removeprefix("● ") for text in texts)


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
    grid.click(position={"x": 16, "y": 36 * 1.5})  # the checkbox of the newest row, two seeds of an experiment
    expect(page.get_by_text("3 of 4 compared")).to_be_visible()
    expect(page.locator(".st-key-chart-curves .annotation-text")).to_have_count(3)
    wait_for_parameter(page, "runs", f"{2:010x},{0:010x},{3:010x}")
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
    expect(small.locator(".st-key-chart-curves .annotation-text")).to_have_count(3)
    assert labels(small) == ["A student", "B student", "C student"]
    expect(small.get_by_text("Agreement with the teacher, %").first).to_be_visible()
    expect(small.get_by_role("checkbox", name="Log values")).to_be_checked()
    expect(small.get_by_role("heading", name="Is the gain significant?")).to_be_visible()
    assert small.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") == 390
    whole_picture(small, SHOTS / "compare-dark-390.png")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing(compared: Server, new_page: Callable[..., Page], width: int, scheme: str) -> None:
    page = new_page(width=width, height=844, color_scheme=scheme)
    page.goto(f"{compared.url}/compare")
    expect(page.get_by_role("heading", name="Is the gain significant?")).to_be_visible()
    expect(page.locator(".st-key-chart-gains .js-plotly-plot")).to_be_visible()
    page.wait_for_timeout(1500)  # until the tables are drawn
    assert axe.violations(page) == []
    assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") == width
