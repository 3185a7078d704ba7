"""Segmentation, Detection and the mode Search of Sweep in a real browser, before, during and after a run."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import settled, wait_for_parameter
from tests.browser.test_accessibility import check
from tests.browser.test_distill import start
from tools.testing import axe
from tools.testing.app_server import Server
from tools.testing.drawn_page import wait_until_drawn
from tools.testing.waiting import wait

New = Callable[..., Page]
MASKS = (
    "dataset=scenes&dataset_count=24&labelled=8&teacher_width=4&teacher_epochs=1&student_width=2&batch_size=4"
    "&epochs=3000&autoplay=0"
)
BOXES = (
    "dataset=shapes&dataset_count=100&scheme=offline&teacher_width=8&teacher_epochs=1&student_width=4&epochs=3000"
    "&autoplay=0"
)
SEARCH = (
    "mode=search&dataset=moons&labelled=40&epochs=400&teacher_epochs=1&trials=6&seeds=1"
    "&space=temperature%3D1..16%3Alog%3Balpha%3D0..1%3Alinear"
)


def begin(page: Page, server: Server, settings: str) -> str:
    """Start a run on Distill, pause it once its student has been drawn, and return its id."""
    start(page, server, f"/distill?{settings}")
    expect(page.get_by_role("img", name=re.compile("^Student: "))).to_be_visible()
    expect(page.get_by_role("img", name=re.compile("^Truth: "))).to_be_visible()
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Resume")).to_be_visible()
    assert axe.violations(page) == []
    return wait_for_parameter(page, "run")


def end(page: Page, server: Server, run: str) -> None:
    page.goto(f"{server.url}/distill?run={run}")
    page.get_by_role("button", name="Stop and keep").click()
    expect(page.get_by_text("This run was stopped.")).to_be_visible()


def test_masks_are_drawn_while_a_run_trains_and_their_uncertainty_follows_t(server: Server, new_page: New) -> None:
    page = new_page(height=720)
    page.goto(f"{server.url}/segmentation")
    expect(page.get_by_role("button", name="Train on scenes")).to_be_enabled()
    check(page)
    run = begin(page, server, MASKS)
    page.goto(f"{server.url}/segmentation?run={run}")
    expect(page.get_by_test_id("stProgress")).to_contain_text("Paused: students")
    unsure = page.get_by_role("img", name=re.compile("^Uncertainty .*Student"))
    expect(unsure).to_be_visible()
    check(page)
    end(page, server, run)
    page.goto(f"{server.url}/segmentation?run={run}")
    expect(page.get_by_text(re.compile("Image .* of 40"))).to_be_visible()
    expect(unsure).to_be_visible()
    wait_until_drawn(page)
    slider, before = page.get_by_role("slider", name="Temperature T").first, settled(page, unsure.screenshot)
    slider.evaluate("node => { node.value = node.max; node.dispatchEvent(new Event('input')); }")
    wait(lambda: unsure.screenshot() != before)
    check(page)


def test_boxes_are_drawn_while_a_run_trains_and_a_box_is_chosen_by_keyboard(server: Server, new_page: New) -> None:
    page = new_page(height=720)
    page.goto(f"{server.url}/detection")
    expect(page.get_by_role("button", name="Train a small detector")).to_be_enabled()
    check(page)
    run = begin(page, server, BOXES)
    page.goto(f"{server.url}/detection?run={run}")
    expect(page.get_by_test_id("stProgress")).to_contain_text("Paused: students")
    gallery = page.get_by_role("group", name="Images").get_by_role("button")
    expect(gallery).to_have_count(8)
    check(page)
    end(page, server, run)
    page.goto(f"{server.url}/detection?run={run}")
    expect(gallery).to_have_count(8)
    wait_until_drawn(page)
    gallery.nth(2).press("Enter")
    wait_for_parameter(page, "image", "2")
    colour = page.get_by_role("heading", name="Left side").evaluate("node => getComputedStyle(node).color")
    expect(page.locator(".dst-box-sides .dst-heading").first).to_have_css("fill", colour)  # not black in both themes
    check(page)


@pytest.mark.skipif(importlib.util.find_spec("optuna") is None, reason="Optuna is not installed.")
def test_a_search_is_set_up_followed_and_ends_with_a_confirmed_best(server: Server, new_page: New) -> None:
    page = new_page(height=720)
    page.goto(f"{server.url}/sweep?{SEARCH}")
    button = page.get_by_role("button", name="Start the search")
    expect(button).to_be_enabled()
    check(page)
    button.click()
    expect(page.get_by_test_id("stProgress")).to_contain_text("Training: ")
    expect(page.get_by_text(re.compile("Why it ended:"))).to_be_visible()
    expect(page.get_by_text("Tested with 5 seeds that no trial had")).to_be_visible()
    wait_for_parameter(page, "sweep")
    check(page)
