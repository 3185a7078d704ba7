"""Fixtures with a real server on an empty data folder and a real browser."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, TypeVar

import pytest
from playwright.sync_api import Browser, Error, Page, Request, expect, sync_playwright

from tools.chromium import FLAGS, find_or_install
from tools.testing.app_server import ROOT, ForkedProcess, Server
from tools.testing.drawn_page import wait_until_drawn
from tools.testing.waiting import wait

T = TypeVar("T")

SHOTS = ROOT / ".shots"  # screenshots to look at
# Not where the start of a server and of a page is timed, which is in a process without workers.
ForkedProcess.is_used = ARE_PAGES_REUSED = "PYTEST_XDIST_WORKER" in os.environ
expect.set_options(timeout=60_000)  # a new server imports the engine first, on a machine that may be busy


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[Callable[[], Server]]:
    """Return a function that starts a server; all have the same data folder, which is empty at first."""
    started: list[Server] = []

    def start(**environment: str) -> Server:
        started.append(Server(tmp_path, **environment))
        return started[-1]

    yield start
    for server in started:
        server.stop()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Server that the tests of a module share. It must survive them and log no traceback."""
    server = Server(tmp_path_factory.mktemp("data"))
    yield server
    assert server.process.poll() is None, f"the server died: {server.log_text()}"
    server.stop()
    assert "Traceback" not in server.log_text(), server.log_text()[-6000:]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = find_or_install()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def idle_pages() -> list[Page]:
    """Pages of earlier tests, in which the scripts of the app are compiled already."""
    return []


@pytest.fixture
def new_page(browser: Browser, idle_pages: list[Page]) -> Iterator[Callable[..., Page]]:
    """Return a function that opens a page in a browser context of its own, as another visitor.

    Pages that need no other context are those of earlier tests, without what they have stored: they open the app in
    half the processor time. An error in the scripts of a page fails the test, and so does a request to anywhere but
    this machine.
    """
    pages: list[Page] = []
    reusable: list[Page] = []
    errors: list[str] = []

    def add_error(error: Error) -> None:
        errors.append(str(error))

    def add_outside(request: Request) -> None:
        if not is_local(request.url):
            errors.append(request.url)

    def new(
        width: int = 1280,
        height: int = 900,
        *,
        color_scheme: Literal["light", "dark"] = "light",
        reduced_motion: Literal["no-preference", "reduce"] = "no-preference",
        is_reused: bool = ARE_PAGES_REUSED,
        **options: Any,
    ) -> Page:
        is_reused = is_reused and not options
        page = idle_pages.pop() if is_reused and idle_pages else browser.new_context(**options).new_page()
        pages.append(page)
        if is_reused:
            reusable.append(page)
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=color_scheme, reduced_motion=reduced_motion)
        page.set_default_timeout(60_000)
        page.on("pageerror", add_error)
        page.on("request", add_outside)
        return page

    yield new
    for page in pages:
        if page in reusable and not page.is_closed():
            page.remove_listener("pageerror", add_error)
            page.remove_listener("request", add_outside)
            leave(page)
            idle_pages.append(page)
        else:
            page.context.close()
    assert errors == []


def leave(page: Page) -> None:
    """Close the app in a page, and forget what it has stored in the browser."""
    for other in page.context.pages:
        if other is not page:
            other.close()
    page.goto("about:blank")
    session = page.context.new_cdp_session(page)
    session.send("Storage.clearDataForOrigin", {"origin": "*", "storageTypes": "all"})
    session.detach()
    page.context.clear_cookies()


def parameter(page: Page, name: str) -> str:
    """Return a parameter of the address, which Playwright's ``page.url`` may not have heard of yet."""
    return str(page.evaluate("name => new URLSearchParams(location.search).get(name)", name) or "")


def wait_for_parameter(page: Page, name: str, value: str | None = None) -> str:
    """Wait until the address has a parameter, with any value or a given one, and return the value."""
    page.wait_for_function(
        """([name, value]) => {
          const current = new URLSearchParams(location.search).get(name);
          return value === null ? current !== null : current === value;
        }""",
        arg=[name, value],
    )
    return parameter(page, name)


def messages_sent_by(page: Page) -> list[object]:
    """Return a list that collects the messages from the browser to the server; call before the page is opened."""
    sent: list[object] = []

    def add(frame: object) -> None:
        sent.append(frame)

    page.on("websocket", lambda socket: socket.on("framesent", add))
    return sent


def settled(page: Page, read: Callable[[], T]) -> T:
    """Return what ``read`` returns once it has not changed for two seconds, the interval of repeated reports."""
    before: T | None = None
    while before != (value := read()):
        before = value
        page.wait_for_timeout(2000)
        wait_until_drawn(page)  # a busy server takes longer to answer
    return value


def expect_to_fit(page: Page, width: int) -> None:
    """Expect a page that is no wider than the window."""
    page.wait_for_function(
        """(width) => [document.documentElement, document.querySelector("[data-testid=stMain]")]
          .every((element) => element.scrollWidth <= width)""",
        arg=width,
    )


def choose(page: Page, field: str, option: str) -> None:
    """Choose the first option of a field that contains a text, again if a redraw has closed the list."""
    box, offered = page.get_by_role("combobox", name=field), page.get_by_role("option").filter(has_text=option).first

    def is_chosen() -> bool:
        wait_until_drawn(page)
        box.press("ArrowDown")
        box.fill(option)
        with contextlib.suppress(Error):
            offered.wait_for(timeout=2000)
            box.press("Enter")
            return True
        return False

    wait(is_chosen)


def is_local(url: str) -> bool:
    return url.startswith(("http://127.0.0.1:", "data:", "blob:"))


def whole_picture(page: Page, path: Path) -> None:
    """Save a screenshot of the whole page, in a larger window, since Streamlit scrolls inside an element."""
    path.parent.mkdir(parents=True, exist_ok=True)
    wait_until_drawn(page)
    height = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
    size = page.viewport_size
    page.set_viewport_size({"width": size["width"], "height": min(height, 4000)})
    wait_until_drawn(page)
    page.screenshot(path=path)
    page.set_viewport_size(size)
