"""Inspect page in a real browser."""

import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from kd_core.analysis import error_analysis
from kd_core.analysis.replay import Replay
from kd_core.config.run import from_flat
from kd_core.runs.manager import RunManager
from tests.browser.conftest import expect_to_fit, wait_for_parameter
from tools.testing.app_server import Server
from tools.testing.drawn_page import wait_until_drawn
from tools.testing.waiting import wait_for_end

ROLES = {"teacher": "teacher", "student": "student", "baseline": "baseline"}


def test_a_click_on_a_count_shows_its_examples_and_every_selection_is_in_the_address(
    start_server: Callable[[], Server], new_page: Callable[..., Page], tmp_path: Path
) -> None:
    runs = RunManager(tmp_path)
    run = runs.start(from_flat({"dataset": "moons", "epochs": "6", "teacher_epochs": "2"}))
    wait_for_end(runs, run, 60)
    replay = Replay(runs.store, runs.store.run(run))
    errors = error_analysis.analyse(replay, replay.snapshot_at(-1), ROLES)
    runs.close()
    count = errors.counts("student")[0][1]
    assert count > 0  # otherwise there is nothing to click

    server, page = start_server(), new_page()
    page.goto(f"{server.url}/inspect?run={run}")  # the very first request of this server
    expect(page).to_have_title("Inspect · Distillery")
    expect(page.get_by_text("Page not found")).to_have_count(0)
    matrix = page.locator("[class*=st-key-chart-matrix-student] .scatterlayer .point")
    expect(matrix).to_have_count(sum(bool(n) for row in errors.counts("student") for n in row))
    wait_until_drawn(page)
    matrix.nth(1).click(force=True)  # row A, column B
    for name, value in (("answered", "B"), ("group", "cell"), ("true_class", "A")):
        wait_for_parameter(page, name, value)
    cards = page.locator(".dst-card-list").get_by_role("radio")
    expect(page.get_by_text(f"One cell · {count}")).to_be_visible()
    expect(cards).to_have_count(min(count, 24))
    for index in errors.examples("cell", "student", (0, 1))[:24]:
        expect(page.get_by_role("radio", name=f"Example {index}, true class A")).to_have_count(1)

    wait_until_drawn(page)
    cards.first.press("ArrowRight")
    second = errors.examples("cell", "student", (0, 1))[1]
    wait_for_parameter(page, "example", str(second))
    expect(page.get_by_text(f"Test example {errors.rows[second]}, true class A")).to_be_visible()

    surface = page.get_by_role("img", name=re.compile("^Student: decision surface"))
    expect(surface).to_have_attribute("aria-label", re.compile("students, epoch 6 of 6, accuracy"))
    wait_until_drawn(page)
    page.get_by_role("slider", name="Epoch of the run").press("ArrowLeft")
    wait_for_parameter(page, "moment")
    expect(surface).to_have_attribute("aria-label", re.compile("students, epoch 5 of 6"))
    link = page.evaluate("location.href")
    moved = surface.get_attribute("aria-label") or ""
    phone = new_page(width=390)
    phone.goto(link)
    expect(phone.get_by_text(f"Test example {errors.rows[second]}, true class A")).to_be_visible()
    replayed = phone.get_by_role("img", name=re.compile("^Student: decision surface"))
    expect(replayed).to_have_attribute("aria-label", moved)
    expect_to_fit(phone, 390)
    expect(phone).to_have_url(link)
