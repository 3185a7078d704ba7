"""Fixtures with a real server on an empty data folder and a real browser."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from playwright.sync_api import Browser, Error, Page, expect, sync_playwright

from tools.chromium import FLAGS, find_or_install
from tools.testing.app_server import ROOT, ForkedProcess, Server
from tools.testing.drawn_page import wait_until_drawn
from tools.testing.waiting import wait

T = TypeVar("T")

SHOTS = ROOT / ".shots"  # screenshots to look at
# Not where the start of a server is timed, which is in a process without workers.
ForkedProcess.is_used = "PYTEST_XDIST_WORKER" in os.environ
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


@pytest.fixture
def new_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Return a function that opens a page in a new browser context, as another visitor.

    An error in its scripts fails the test, and so does a request to anywhere but this machine.
    """
    contexts, errors = [], []

    def new(width: int = 1280, height: int = 900, **options: object) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: None if is_local(request.url) else errors.append(request.url))
        return page

    yield new
    for context in contexts:
        context.close()
    assert errors == []


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
