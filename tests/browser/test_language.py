"""The Language page in a real browser, with texts that appear while a run trains."""

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from kd_core.config.run import from_flat
from kd_core.runs.manager import RunManager
from tests.browser.conftest import messages_sent_by, settled, wait_for_parameter
from tests.pages.test_language import TINY
from tools.testing import axe
from tools.testing.app_server import Server
from tools.testing.drawn_page import wait_until_drawn
from tools.testing.waiting import wait, wait_for_end


def test_one_press_shows_a_text_of_the_teacher(
    start_server: Callable[[], Server], new_page: Callable[..., Page]
) -> None:
    page = new_page()
    page.goto(f"{start_server().url}/language?autoplay=0")
    page.get_by_role("button", name="Train a small language model").click()
    teacher = page.get_by_role("listbox", name="Characters of the Teacher")
    expect(teacher.get_by_role("option")).to_have_count(160)
    expect(page.get_by_text("It begins to learn when the teacher is trained.")).to_have_count(2)


def test_texts_follow_the_temperature_in_the_browser_and_a_character_shows_what_could_come(
    tmp_path: Path, start_server: Callable[[], Server], new_page: Callable[..., Page]
) -> None:
    runs = RunManager(tmp_path)
    run = runs.start(from_flat(TINY))
    wait_for_end(runs, run, 120)
    runs.close()
    page = new_page()
    sent = messages_sent_by(page)
    page.goto(f"{start_server().url}/language?autoplay=0&run={run}")
    student = page.get_by_role("listbox", name="Characters of the Student")
    expect(student.get_by_role("option")).to_have_count(160)
    expect(page.get_by_role("heading", name="Covering or seeking")).to_be_visible()
    slider, count = page.get_by_role("slider", name="Temperature T").first, settled(page, lambda: len(sent))
    before = student.inner_text()
    slider.evaluate("node => { node.value = node.min; node.dispatchEvent(new Event('input')); }")
    wait(lambda: student.inner_text() != before)
    assert len(sent) == count
    boxes = page.get_by_role("spinbutton", name="Temperature T, as a number")
    expect(boxes.nth(1)).to_have_value("0.3")
    wait_until_drawn(page)
    student.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    after = wait_for_parameter(page, "after")
    expect(student.get_by_role("option", selected=True)).to_have_count(1)
    expect(page.get_by_text(f"After “{after[-40:]}”" if len(after) <= 40 else "After “…")).to_be_visible()
    keep = page.get_by_role("spinbutton", name="Top-k, 0 for all, as a number")
    wait_until_drawn(page)
    keep.fill("3")
    keep.press("Enter")
    expect(page.get_by_text("● Student draws from 3 of 27")).to_be_visible()
    assert wait_for_parameter(page, "top_k") == "3"
    assert axe.violations(page) == []
