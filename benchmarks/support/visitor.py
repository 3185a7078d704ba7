"""Actions of a visitor in a browser, their durations, and the bytes that the visitor receives."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, CDPSession, Page, sync_playwright
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from benchmarks.support.serving import Server
from tools import chromium

TIMEOUT = 30_000.0  # milliseconds
PAUSE = 120.0  # milliseconds between two interactions, varied so that they fall anywhere between two live updates

# Promise of the milliseconds from the first press of a key or button until the expression ``text`` has another value.
# Both times are by the clock of the page.
MEASURE = """([text, timeout]) => {
  const read = new Function(`return ${text}`), before = read();
  window.measured = new Promise((resolve, reject) => {
    let pressed = 0;
    const onPress = (event) => { pressed ||= event.timeStamp; };
    for (const kind of ["pointerdown", "keydown"]) addEventListener(kind, onPress, { capture: true, once: true });
    const observer = new MutationObserver(() => {
      if (!pressed || read() === before) return;
      observer.disconnect();
      resolve(performance.now() - pressed);
    });
    observer.observe(document.body, { subtree: true, childList: true, characterData: true, attributes: true });
    setTimeout(() => reject(new Error("nothing changed")), timeout);
  });
}"""
FORMULA = "document.querySelector('.katex')?.textContent"
ADDRESS = "location.search"  # written by the server
TEXTS = "[...document.querySelectorAll('%s')].map((node) => node.textContent).filter((text) => %s.test(text)).join()"
PAUSE_BUTTON = TEXTS % ("button", "/Pause|Resume/")


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Start a browser. Exits with a message if this machine has none."""
    path = chromium.find()
    if path is None:
        raise SystemExit("The benchmark needs Chrome or Chromium: python -m tools.chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(chromium.FLAGS))
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def visit(browser: Browser, url: str) -> Iterator[Page]:
    """Open an address as a new visitor, with an empty cache and a session that no other visitor shares."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(TIMEOUT)
    try:
        page = context.new_page()
        page.goto(url, wait_until="commit")
        yield page
    finally:
        context.close()


def start_run(page: Page, server: Server, url: str, pace: str) -> str:
    """Open a link, choose the pace, start the run and wait for the first step of the students. Returns the run's id."""
    page.goto(url, wait_until="commit")
    page.get_by_role("radio", name=pace).first.click()
    page.get_by_role("button", name="Start training").click()
    page.wait_for_url(lambda address: "run=" in address, wait_until="commit")
    run = page.url.partition("run=")[2].partition("&")[0]
    wait_for_step(page, server, run, 1)
    return run


def wait_for_step(page: Page, server: Server, run: str, step: int, seconds: float = 60.0) -> None:
    """Wait until the students have made so many steps. Raises TimeoutError."""
    end = time.monotonic() + seconds
    while server.last_step(run)[0] < step:
        if time.monotonic() > end:
            raise TimeoutError(f"Step {step} was not reached within {seconds:.0f} s.")
        page.wait_for_timeout(100)


def set_pace(page: Page, pace: str) -> None:
    """Change the pace of the run on the page."""
    page.get_by_role("radio", name=pace).last.click()


def measure_response(page: Page, text: str, press: Callable[[], object]) -> float:
    """Return the milliseconds from a press until the JavaScript expression ``text`` has another value."""
    page.evaluate(MEASURE, [text, TIMEOUT])
    press()
    return float(page.evaluate("window.measured"))


def change_alpha(page: Page, count: int, text: str = FORMULA) -> list[float]:
    """Press an arrow key on alpha. Returns the milliseconds until formula or address have changed, each time."""
    slider = page.get_by_role("slider", name="Teacher weight").first
    slider.focus()
    return _repeat(page, count, text, lambda n: page.keyboard.press("ArrowLeft" if n % 2 else "ArrowRight"))


def press_pause(page: Page, count: int) -> list[float]:
    """Press Pause, and Resume again. Returns the milliseconds until Pause has become Resume, each time."""
    durations = []
    for number in range(count):
        page.wait_for_timeout(2 * PAUSE + 37 * (number % 9))
        durations.append(measure_response(page, PAUSE_BUTTON, page.get_by_role("button", name="Pause").click))
        measure_response(page, PAUSE_BUTTON, page.get_by_role("button", name="Resume").click)
    return durations


def _repeat(page: Page, count: int, text: str, press: Callable[[int], object]) -> list[float]:
    durations = []
    for number in range(count):
        page.wait_for_timeout(PAUSE + 37 * (number % 9))
        durations.append(measure_response(page, text, lambda n=number: press(n)))
    return durations


class TrafficCounter:
    """Counter of the bytes and the completed live updates that a page receives over its websocket."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._cdp: CDPSession = page.context.new_cdp_session(page)
        self._cdp.send("Network.enable")
        self._cdp.on("Network.webSocketFrameReceived", self._count)
        self.reset()

    def reset(self) -> None:
        """Set all counts to 0."""
        self.bytes = self.updates = 0
        self.bytes_by_kind: dict[str, int] = {}

    def measure(self, seconds: float) -> tuple[float, float]:
        """Count for so many seconds from now on and return the bytes per second and the bytes per live update."""
        self.reset()
        begun = time.monotonic()
        self._page.wait_for_timeout(seconds * 1000)
        return self.bytes / (time.monotonic() - begun), self.bytes / max(1, self.updates)

    def _count(self, event: dict[str, Any]) -> None:
        frame = event["response"]
        payload = base64.b64decode(frame["payloadData"]) if frame["opcode"] == 2 else frame["payloadData"].encode()
        self.bytes += len(payload)
        if frame["opcode"] != 2:
            return
        message = ForwardMsg.FromString(payload)
        kind = message.WhichOneof("type")
        if kind == "delta" and message.delta.WhichOneof("type") == "new_element":
            kind = str(message.delta.new_element.WhichOneof("type"))
        self.bytes_by_kind[kind] = self.bytes_by_kind.get(kind, 0) + len(payload)
        self.updates += kind == "script_finished"
