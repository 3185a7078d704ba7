"""Sweep page in a real browser."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

from kd_core.store.queries import RunQueries
from tests.browser.conftest import SHOTS, choose, expect_to_fit, parameter, settled, wait_for_parameter, whole_picture
from tools.testing.app_server import Server
from tools.testing.drawn_page import wait_until_drawn

BASE = "dataset=moons&epochs=59&teacher_epochs=2&autoplay=0"
LINK = "sweep?dataset=moons&epochs=60&teacher_epochs=2&across_values=1,4,16&down_values=0.3,0.9&seeds=2"
LONG = "sweep?dataset=digits&epochs=2000&teacher_epochs=2&across_values=1,4&down=none&seeds=2"


def test_a_cell_of_the_map_is_selected_by_mouse_and_keyboard_and_the_link_opens_the_same_view(
    server: Server, new_page: Callable[..., Page]
) -> None:
    page = new_page()
    page.goto(f"{server.url}/distill?{BASE}")
    epochs = page.get_by_role("spinbutton", name="Epochs").last
    expect(epochs).to_have_value("59")
    wait_until_drawn(page)
    epochs.press("ArrowUp")
    wait_for_parameter(page, "epochs", "60")
    page.get_by_role("link", name="Sweep this").click()
    page.wait_for_url("**/sweep?**")
    wait_for_parameter(page, "dataset", "moons")
    wait_for_parameter(page, "epochs", "60")
    page.goto(f"{server.url}/{LINK}")
    expect(page.get_by_text("3 × 2 = 6 cells × 2 seeds = 12 runs")).to_be_visible()
    expect(page.get_by_text(re.compile("Expected: about .* measured by a 1 s trial"))).to_be_visible()
    page.get_by_role("button", name="Start the sweep").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("All 12 runs are complete")).to_be_visible()
    cells = page.locator("[class*=st-key-chart-accuracy-of] .scatterlayer .point")
    expect(cells).to_have_count(6)
    expect(page.locator("[class*=st-key-chart-accuracy-of] .annotation-text")).to_have_count(6)
    expect(page.locator("[class*=st-key-chart-gain-of] .annotation-text")).to_have_count(6)
    expect(page.get_by_text("on the test set, over 2 seeds")).to_have_count(0)

    wait_until_drawn(page)
    cells.nth(1).click(force=True)  # first row, second column
    expect(page.get_by_role("heading", name="Selected cell: Temperature T 4, Teacher weight α 0.3")).to_be_visible()
    wait_for_parameter(page, "cell", "4,0.3")
    choose(page, "Teacher weight α", "0.9")
    expect(page.get_by_role("heading", name="Selected cell: Temperature T 4, Teacher weight α 0.9")).to_be_visible()
    page.get_by_role("button", name="Confirm on test").press("Enter")
    expect(page.get_by_text("on the test set, over 2 seeds")).to_be_visible()
    wait_for_parameter(page, "confirmed", "4,0.9")
    whole_picture(page, SHOTS / "sweep-light-1280.png")

    small = new_page(width=390, height=844, color_scheme="dark")
    small.goto(page.evaluate("location.href"))
    expect(small.get_by_text("on the test set, over 2 seeds")).to_be_visible()
    expect(small.locator("[class*=st-key-chart-accuracy-of] .annotation-text")).to_have_count(6)
    expect_to_fit(small, 390)
    whole_picture(small, SHOTS / "sweep-dark-390.png")
    small.get_by_role("link", name="Open seed 0").click()
    expect(small.get_by_role("heading", name="Result")).to_be_visible()


def test_a_paused_sweep_stays_paused_after_a_reload_and_can_be_resumed(
    server: Server, new_page: Callable[..., Page]
) -> None:
    page = new_page()
    page.goto(f"{server.url}/{LONG}")
    page.get_by_role("button", name="Start the sweep").click()
    bar = page.get_by_test_id("stProgress")
    expect(bar).to_contain_text(re.compile("Training: .* the map is at epoch"))
    page.get_by_role("button", name="Pause").press("Enter")
    resume = page.get_by_role("button", name="Resume")
    expect(resume).to_be_visible()
    expect(page.locator("[class*=st-key-chart-accuracy-of] .annotation-text")).to_have_count(2)
    progress = settled(page, bar.inner_text).split(" · ")[0]  # "Paused: 32%"
    page.reload()
    expect(resume).to_be_visible()
    expect(bar).to_contain_text(progress)
    resume.press("Enter")
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    expect(page.get_by_text("All 4 runs are complete")).to_be_visible()
    expect(page.get_by_role("button", name="Confirm on test")).to_be_enabled()
    evaluations = RunQueries(server.store()).latest_evaluations(parameter(page, "sweep"), "student", "baseline")
    assert [evaluation.epoch for evaluation in evaluations] == [2000] * 4
