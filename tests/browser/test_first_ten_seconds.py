"""First visit to the app, on a server that has just started, and later visits to the same demonstration."""

import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import SHOTS, expect_to_fit, whole_picture
from tools.testing.app_server import Server

New = Callable[..., Page]

# Fraction of the pixels of the student's decision surface that are not background; 0 until something is drawn.
PAINTED = """
() => {
  const roots = [document, ...[...document.querySelectorAll('*')].map((node) => node.shadowRoot).filter(Boolean)];
  const canvas = roots.flatMap((root) => [...root.querySelectorAll('canvas')]).at(-1);
  if (!canvas || !canvas.width) return 0;
  const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  const first = pixels.slice(0, 3).join();
  let other = 0;
  for (let i = 0; i < pixels.length; i += 4) other += pixels.slice(i, i + 3).join() !== first;
  return other / (pixels.length / 4);
}
"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_within_ten_seconds_a_student_is_training_and_then_its_result_is_shown(
    server: Server, new_page: New, theme: str
) -> None:
    """The first theme is that of the first visitor, and the second one's visitor finds a demonstration that has run."""
    page = new_page(color_scheme=theme)
    begun = time.monotonic()
    page.goto(server.url)
    expect(page.get_by_role("heading", level=1)).to_have_text("Teach a small network with a big one")
    page.wait_for_function(f"() => ({PAINTED})() > 0.02")
    assert time.monotonic() - begun < 10
    expect(page.get_by_text("students, epoch").first).to_be_visible()
    expect(page.get_by_text("over 5 seeds")).to_be_visible()
    runs = server.store().runs()
    assert sorted(run.seed for run in runs) == [0, 1, 2, 3, 4]
    assert {run.state for run in runs} == {"completed"}
    expect(page.get_by_text("students, epoch 100 of 100").first).to_be_visible()
    whole_picture(page, SHOTS / f"start-{theme}.png")

    page.get_by_role("link", name="Change this one").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Distill")
    expect(page.get_by_text("over 5 seeds")).to_be_visible()  # the same run, to change one thing
    expect(page.locator(".dst-plot").first).to_be_visible()
    whole_picture(page, SHOTS / f"distill-{theme}.png")


def test_one_click_on_a_phone_starts_a_run_of_ones_own_whose_result_is_in_view(server: Server, new_page: New) -> None:
    page = new_page(width=390, height=844, has_touch=True, is_mobile=True)
    page.goto(server.url)
    for name, heading, button, figure, result in (
        ("start", "Teach a small network with a big one", "Train your own", ".dst-surface-head", "over 5 seeds"),
        ("distill", "Distill", "Start training", ".dst-plot", "One seed cannot"),
    ):
        expect(page.get_by_role("heading", level=1)).to_have_text(heading)
        expect(page.get_by_text(result)).to_be_in_viewport()
        expect(page.locator(figure).first).to_be_visible()
        expect_to_fit(page, 390)
        expect(page.get_by_role("button", name=button)).to_be_in_viewport(ratio=1)
        whole_picture(page, SHOTS / f"{name}-phone.png")
        if name == "start":
            page.get_by_role("button", name=button).click()
            page.get_by_role("radio", name="Full speed").dispatch_event("click")  # without scrolling to it


def test_with_reduced_motion_the_last_epoch_is_shown_at_once(server: Server, new_page: New) -> None:
    page = new_page(reduced_motion="reduce")
    page.goto(server.url)
    expect(page.get_by_text("over 5 seeds")).to_be_visible()
    expect(page.get_by_text("students, epoch 100 of 100").first).to_be_visible()
