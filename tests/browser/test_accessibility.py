"""Accessibility of every page in its states, by axe-core, in both themes, on a screen and on a phone."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from kd_core.config.run import from_flat
from kd_core.config.sweep import Axis, Sweep
from kd_core.runs.manager import RunManager
from tests.browser.conftest import choose
from tools.testing import axe
from tools.testing.app_server import Server
from tools.testing.waiting import wait

New = Callable[..., Page]
WIDE, NARROW = (1280, 720), (390, 844)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, str, str]]:
    """Server with a run and a sweep, and their ids."""
    folder = tmp_path_factory.mktemp("stored")
    base, runs = from_flat({"dataset": "digits", "epochs": "6", "teacher_epochs": "3"}), RunManager(folder)
    run, sweep = runs.start(base), runs.start_sweep(Sweep(base, (Axis("temperature", ("1", "4")),), (0, 1, 2)))
    wait(lambda: not any(runs.status(name).is_active for name in (run, sweep)), 60)
    runs.close()
    server = Server(folder)
    yield server, run, sweep
    server.stop()


def check(page: Page) -> None:
    """Assert that axe finds nothing, in both themes and sizes."""
    lines = []
    page.mouse.move(2, 715)  # away from what opens a tooltip
    expect(page.locator("[data-testid=stTooltipContent], [data-testid=stTooltipErrorContent]")).to_have_count(0)
    # Theme and size together change little but colours, so two of the four pages are checked for contrast alone.
    for theme, (width, height), rules in (
        ("light", WIDE, ()), ("light", NARROW, ("color-contrast",)), ("dark", NARROW, ()),
        ("dark", WIDE, ("color-contrast",)),
    ):  # fmt: skip
        page.emulate_media(color_scheme=theme)
        page.set_viewport_size({"width": width, "height": height})
        lines += [f"{theme}, {width} px: {line}" for line in axe.violations(page, *rules)]
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})
    # Streamlit gives its field for files a name and the role of a decoration; its button has both.
    lines = [line for line in lines if "stFileUploaderDropzone" not in line]
    assert not lines, "\n".join(lines)


@pytest.mark.parametrize(
    "name", ["start", "temperature", "sweep", "inspect", "compress", "experiments", "glossary", "tasks"]
)
def test_axe_finds_nothing(stored: tuple[Server, str, str], new_page: New, name: str) -> None:
    server, run, sweep = stored
    link = {"sweep": f"sweep?sweep={sweep}", "start": ""}.get(name, f"{name}?run={run}")
    if name in ("experiments", "glossary", "tasks"):
        link = name
    page = new_page(height=720)
    page.goto(f"{server.url}/{link}")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    check(page)


def test_axe_finds_nothing_on_distill_before_during_and_after_a_run_and_in_its_dialog(
    stored: tuple[Server, str, str], new_page: New
) -> None:
    page = new_page(height=720)
    page.goto(f"{stored[0].url}/distill?dataset=digits&epochs=400&seed=7&autoplay=0")
    expect(page.get_by_role("button", name="Start training")).to_be_enabled()
    expect(page.locator(".dst-plan-diagram svg")).to_be_visible()
    check(page)
    page.get_by_role("button", name="Advanced").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    check(page)
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_role("radio", name="Slow motion").click()
    page.get_by_role("button", name="Start training").click()
    expect(page.locator(".dst-plot").first).to_be_visible()
    check(page)
    page.get_by_role("button", name="Stop and keep").click()
    expect(page.get_by_text("This run was stopped.")).to_be_visible()
    check(page)


def test_axe_finds_nothing_in_the_dialog_that_exports_and_its_button_downloads_weights(
    stored: tuple[Server, str, str], new_page: New
) -> None:
    server, run, _ = stored
    page = new_page(height=720)
    page.goto(f"{server.url}/distill?run={run}")
    page.get_by_role("button", name="Take the student home").click()
    expect(page.get_by_role("dialog").get_by_text("Single files")).to_be_visible()
    check(page)
    with page.expect_download() as download:
        page.get_by_role("button", name="Weights").click()
    assert download.value.suggested_filename == f"student-{run}.safetensors"


def test_axe_finds_nothing_in_the_dialogs_of_code_deletion_teacher_and_import(
    stored: tuple[Server, str, str], new_page: New
) -> None:
    server, run, _ = stored
    page = new_page(height=720)
    page.goto(f"{server.url}/distill?run={run}")
    page.get_by_role("button", name="Show me the PyTorch").last.click()
    expect(page.get_by_role("dialog").get_by_role("button", name="Notebook")).to_be_visible()
    check(page)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Name, tags, note").click()
    page.get_by_role("button", name="Delete …").click()
    expect(page.get_by_role("dialog", name="Delete this run?")).to_be_visible()
    check(page)
    page.get_by_role("button", name="Cancel").click()
    page.keyboard.press("Escape")  # closes what the button stood in
    expect(page.get_by_role("dialog")).to_have_count(0)
    for box, choice in (("Teacher", "from a file"), ("Data", "Your own data")):
        choose(page, box, choice)
        if box == "Data":
            page.get_by_role("button", name="Import your data").click()
        expect(page.get_by_role("dialog").get_by_role("button", name="Upload", exact=True)).to_be_visible()
        check(page)
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)
