"""The app with a Ray cluster of this machine; skipped where Ray is not installed, which `make cluster` does."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import SHOTS, wait_for_parameter
from tools.testing.app_server import Server
from tools.testing.waiting import wait

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="Ray is not installed; make cluster does"
)

SETTINGS = "dataset=moons&epochs=400&teacher_epochs=2&device=cluster"


def test_the_app_trains_a_run_on_a_cluster_pauses_and_shows_it(
    start_server: Callable[..., Server], new_page: Callable[..., Page]
) -> None:
    server, page = start_server(DISTILLERY_RAY="local-cluster"), new_page()
    page.goto(f"{server.url}/distill?{SETTINGS}")
    page.get_by_role("button", name="Start training").click()
    run = wait_for_parameter(page, "run")
    expect(page.get_by_text("Training on cluster")).to_be_visible(timeout=120_000)
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("Paused on cluster")).to_be_visible()
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_text("One seed cannot")).to_be_visible(timeout=120_000)
    wait(lambda: server.store().run(run).state == "completed")
    page.goto(f"{server.url}/distill?{SETTINGS}")
    page.get_by_role("button", name="Advanced").click()
    page.get_by_role("radio", name="Device").click()
    expect(page.get_by_role("combobox", name="Device")).to_have_value(re.compile(r"cluster \(\d+ CPUs, 0 GPUs\)"))
    page.screenshot(path=SHOTS / "cluster.png")
