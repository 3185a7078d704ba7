"""What a visitor's browser does and notices: clicks timed inside the page, bytes counted on its websocket."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, CDPSession, Page
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from benchmarks.support.serving import Server

PATIENCE = 30_000.0  # milliseconds until something must have appeared
PAUSE = 120.0  # milliseconds between two interactions, varied so that they fall anywhere between two live updates

# From the first press of a key or button until what ``read`` sees has changed, both by the page's own clock.
ARM = """([read, patience]) => {
  const see = new Function(`return ${read}`), before = see();
  window.benched = new Promise((resolve, reject) => {
    let pressed = 0;
    const note = (event) => { pressed ||= event.timeStamp; };
    for (const kind of ["pointerdown", "keydown"]) addEventListener(kind, note, { capture: true, once: true });
    const look = () => {
      if (!pressed || see() === before) return;
      watch.disconnect();
      resolve(performance.now() - pressed);
    };
    const watch = new MutationObserver(look);
    watch.observe(document.body, { subtree: true, childList: true, characterData: true, attributes: true });
    setTimeout(() => reject(new Error("nothing changed")), patience);
  });
}"""
FORMULA = "document.querySelector('.katex')?.textContent"
TEXTS = "[...document.querySelectorAll('%s')].map((node) => node.textContent).filter((text) => %s.test(text)).join()"
LEARNS_FROM = TEXTS % ("p", "/^Learns from/")
STEERING = TEXTS % ("button", "/Pause|Resume/")


@contextmanager
def visit(browser: Browser, url: str) -> Iterator[Page]:
    """A visitor of their own: nothing cached, nothing shared with other visitors."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(PATIENCE)
    try:
        page = context.new_page()
        page.goto(url, wait_until="commit")
        yield page
    finally:
        context.close()


def start_run(page: Page, server: Server, url: str, pace: str) -> str:
    """Opens the lab with a link, chooses the pace, presses start; returns the run's id once the students learn."""
    page.goto(url, wait_until="commit")
    page.get_by_role("radio", name=pace).first.click()
    page.get_by_role("button", name="Start training").click()
    page.wait_for_url(lambda address: "run=" in address, wait_until="commit")
    run = page.url.partition("run=")[2].partition("&")[0]
    wait_for_step(page, server, run, 1)
    return run


def wait_for_step(page: Page, server: Server, run: str, step: int, seconds: float = 60.0) -> None:
    """Until the students have made so many steps. Raises TimeoutError."""
    until = time.monotonic() + seconds
    while server.last_step(run)[0] < step:
        if time.monotonic() > until:
            raise TimeoutError(f"Step {step} was not reached within {seconds:.0f} s.")
        page.wait_for_timeout(100)


def set_pace(page: Page, pace: str) -> None:
    """Presses one of the paces of the run that is shown."""
    page.get_by_role("radio", name=pace).last.click()


def timed(page: Page, read: str, act: Callable[[], object]) -> float:
    """Milliseconds from the press in ``act`` until what the page says under ``read`` is different."""
    page.evaluate(ARM, [read, PATIENCE])
    act()
    return float(page.evaluate("window.benched"))


def turn_alpha(page: Page, times: int) -> list[float]:
    """The arrow key on the form's alpha until the formula changes."""
    slider = page.get_by_role("slider", name="Teacher weight").first
    slider.focus()
    return _repeated(page, times, FORMULA, lambda n: page.keyboard.press("ArrowLeft" if n % 2 else "ArrowRight"))


def turn_labels(page: Page, times: int) -> list[float]:
    """The plus and minus of the number of labels until the sentence about the student's examples changes."""
    box = page.get_by_test_id("stNumberInput").filter(has_text="Labelled").first
    buttons = [box.get_by_role("button", name=name) for name in ("Increment", "Decrement")]
    return _repeated(page, times, LEARNS_FROM, lambda n: buttons[n % 2].click())


def press_pause(page: Page, times: int) -> list[float]:
    """Pause until the button says resume; the way back is not counted."""
    found = []
    for number in range(times):
        page.wait_for_timeout(2 * PAUSE + 37 * (number % 9))
        found.append(timed(page, STEERING, page.get_by_role("button", name="Pause").click))
        timed(page, STEERING, page.get_by_role("button", name="Resume").click)
    return found


def _repeated(page: Page, times: int, read: str, act: Callable[[int], object]) -> list[float]:
    found = []
    for number in range(times):
        page.wait_for_timeout(PAUSE + 37 * (number % 9))
        found.append(timed(page, read, lambda n=number: act(n)))
    return found


class Wire:
    """Counts what a page receives from the server: bytes, and live updates that were complete."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._cdp: CDPSession = page.context.new_cdp_session(page)
        self._cdp.send("Network.enable")
        self._cdp.on("Network.webSocketFrameReceived", self._received)
        self.reset()

    def reset(self) -> None:
        """Begins to count anew."""
        self.bytes = self.updates = 0
        self.parts: dict[str, int] = {}

    def over(self, seconds: float) -> tuple[float, float]:
        """Bytes per second and bytes per live update over so many seconds from now."""
        self.reset()
        begun = time.monotonic()
        self._page.wait_for_timeout(seconds * 1000)
        return self.bytes / (time.monotonic() - begun), self.bytes / max(1, self.updates)

    def _received(self, event: dict[str, Any]) -> None:
        frame = event["response"]
        payload = base64.b64decode(frame["payloadData"]) if frame["opcode"] == 2 else frame["payloadData"].encode()
        self.bytes += len(payload)
        if frame["opcode"] != 2:
            return
        message = ForwardMsg.FromString(payload)
        what = message.WhichOneof("type")
        if what == "delta" and message.delta.WhichOneof("type") == "new_element":
            what = str(message.delta.new_element.WhichOneof("type"))
        self.parts[what] = self.parts.get(what, 0) + len(payload)
        self.updates += what == "script_finished"
