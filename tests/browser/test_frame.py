"""Header of every page, with the link to the view and projector mode."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Browser, Page, expect

from benchmarks.support import stored_runs
from tests.browser.conftest import SHOTS
from tools.testing.app_server import Server
from tools.testing.drawn_page import wait_until_drawn

# The smallest visible text in pixels of the screen, with what it says; of components, too, which are shadow roots.
SMALLEST_TEXT = """() => {
  let smallest = [Infinity, ""];
  const isText = (node) => node.nodeType === Node.TEXT_NODE;
  const visit = (root) => {
    for (const element of root.querySelectorAll("*")) {
      if (element.shadowRoot) visit(element.shadowRoot);
      const text = [...element.childNodes].filter(isText).map((node) => node.textContent).join("").trim();
      const { width, height } = element.getBoundingClientRect();
      if (!text || width < 2 || height < 2 || getComputedStyle(element).visibility === "hidden") continue;
      const size = parseFloat(getComputedStyle(element).fontSize) * (element.currentCSSZoom ?? 1);
      if (size < smallest[0]) smallest = [size, text];
    }
  };
  visit(document.querySelector("[data-testid=stMain]"));
  return smallest;
}"""


def test_the_link_to_a_view_is_copied_with_the_keyboard(browser: Browser, server: Server) -> None:
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(f"{server.url}/sweep?seeds=3")
    button = page.get_by_role("button", name="Copy link")
    wait_until_drawn(page)
    button.press("Enter")
    expect(page.get_by_role("status").filter(has_text="Link copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.evaluate("location.href")
    assert "seeds=3" in copied
    context.close()


def test_the_link_is_selected_where_the_browser_refuses_the_clipboard(
    server: Server, new_page: Callable[..., Page]
) -> None:
    page = new_page(is_reused=False)
    page.add_init_script("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    page.goto(f"{server.url}/sweep?seeds=3")
    expect(page.get_by_role("button", name="Start the sweep")).to_be_visible()
    wait_until_drawn(page)
    page.get_by_role("button", name="Copy link").click()
    address = page.get_by_role("textbox", name="Link to this view")
    expect(address).to_be_focused()
    selected = address.evaluate("input => input.value.slice(input.selectionStart, input.selectionEnd)")
    assert selected == page.evaluate("location.href")
    page.keyboard.press("Escape")
    expect(address).to_be_hidden()


def test_in_projector_mode_all_texts_are_large_and_charts_use_the_width(
    start_server: Callable[[], Server], new_page: Callable[..., Page]
) -> None:
    server = start_server()
    stored_runs.fill(server.folder, 4)
    page = new_page(width=1920, height=1080)
    page.goto(f"{server.url}/compare?runs={2:010x},{1:010x}&projector=1")
    chart = page.locator(".st-key-chart-curves .js-plotly-plot")
    expect(chart).to_be_visible()
    expect(page.get_by_role("heading", name="Is the gain significant?")).to_be_visible()
    wait_until_drawn(page)
    size, text = page.evaluate(SMALLEST_TEXT)
    assert size >= 20, text
    box = chart.bounding_box()
    assert box is not None
    assert box["width"] > 1600
    page.screenshot(path=SHOTS / "compare-projector-1920.png")
    page.get_by_role("link", name="Inspect").click()
    page.wait_for_url("**/inspect*")
    expect(page.get_by_role("switch", name="Projector")).to_be_checked()
    page.wait_for_function("new URLSearchParams(location.search).get('projector') === '1'")
