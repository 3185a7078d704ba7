"""Frame times of the Temperature page while its slider is dragged, and response time of a drawing during a run.

``python -m benchmarks.temperature`` prints one table and writes the same numbers to data/bench/temperature.json. It
takes about two minutes on a machine that does nothing else.
"""

from __future__ import annotations

import time

from playwright.sync_api import Browser, Page

from benchmarks.support.rows import Row, report
from benchmarks.support.serving import Server
from benchmarks.support.visitor import open_browser, start_run, visit

REPEATS = 5  # of a drag
FIGURES = {  # each with the chapter that shows it
    "softened": "",
    "gradients": "T² and gradients",
    "dark-knowledge": "Dark knowledge",
    "calibration": "Calibration",
    "target-sources": "Sources of soft targets",
}
DRAWINGS = 30
TEN = "distill?autoplay=0&dataset=digits&epochs=20"
HUNDRED = "distill?autoplay=0&dataset=blobs&dataset_clouds=100&epochs=20&labelled=500"
LONG = "distill?autoplay=0&dataset=digits&labelled=50&epochs=10000&batch_size=1"  # 500,000 steps

# Moves the slider over the whole scale and back, once per frame. Returns the milliseconds from frame to frame.
DRAG = """async (slider) => {
  const [low, high] = [Number(slider.min), Number(slider.max)], times = [];
  for (let move = 0; move < 120; move += 1) {
    slider.value = low + (high - low) * (1 - Math.abs(move / 60 - 1));
    slider.dispatchEvent(new Event("input", { bubbles: true }));
    times.push(await new Promise((next) => requestAnimationFrame(next)));
  }
  return times.slice(1).map((time, i) => time - times[i]);
}"""

# Promise of the milliseconds from the end of a stroke until the bars of the last prediction are drawn. There are
# predictions during the stroke already, so the last change within a second and a half is the one that counts.
MEASURE = """() => {
  const store = [...window.__distillery.stores.values()][0];
  window.measured = new Promise((resolve) => addEventListener("pointerup", ({ timeStamp }) => {
    let given = JSON.stringify(store.given), changed = 0, drawn = 0, last = 0;
    const onFrame = () => {
      const now = performance.now(), { softened } = window.__distillery.drawn, text = JSON.stringify(store.given);
      if (text !== given) [given, changed, drawn] = [text, now, softened];
      if (changed && softened > drawn) [last, changed] = [now - timeStamp, 0];
      if (now - timeStamp > 1500) resolve(last);
      else requestAnimationFrame(onFrame);
    };
    onFrame();
  }, { capture: true, once: true }));
}"""


def drags(browser: Browser, server: Server, name: str, link: str, aim: float) -> list[Row]:
    """Measure the frame times of a drag with each figure of the page in view."""
    rows = []
    with visit(browser, "about:blank") as page:
        run = train(page, server, link)
        page.goto(f"{server.url}/temperature?run={run}")
        slider = page.locator(".dst-dock input[type=range]")
        page.locator(".dst-softened svg").first.wait_for()
        for figure, chapter in FIGURES.items():
            if chapter:
                page.get_by_role("radio", name=chapter).click()
            page.locator(f".dst-{figure}").scroll_into_view_if_needed()
            page.wait_for_timeout(1500)
            gaps = [gap for _ in range(REPEATS) for gap in slider.evaluate(DRAG)]
            row = Row(f"Frame while dragging, {name}, {figure} in view", "ms", gaps)
            row.aim, row.met = f"p95 < {aim:g}", row.p95 < aim
            rows.append(row)
    return rows


def drawings(browser: Browser, server: Server) -> list[Row]:
    """Measure the response to strokes on the drawing pad while another run trains at full speed."""
    with visit(browser, "about:blank") as page:
        run = train(page, server, TEN)
        busy = start_run(page, server, f"{server.url}/{LONG}", "Full speed")
        page.goto(f"{server.url}/temperature?run={run}&source=drawing")
        pad = page.locator(".dst-drawing-pad canvas")
        pad.wait_for()
        page.wait_for_timeout(2000)
        durations = []
        for number in range(DRAWINGS):
            box = pad.bounding_box()
            assert box is not None
            page.evaluate(MEASURE)
            x, y = box["x"] + box["width"] * (0.3 + 0.013 * number), box["y"] + box["height"] * 0.2
            page.mouse.move(x, y)
            page.mouse.down()
            page.mouse.move(x + 20, y + 0.5 * box["height"], steps=6)
            page.mouse.up()
            durations.append(float(page.evaluate("window.measured")))
            if number % 5 == 4:
                page.get_by_role("button", name="Clear").click()
            page.wait_for_timeout(300 + 37 * (number % 9))
        assert server.last_step(busy)[0] > 0
    row = Row("End of a stroke → bars of the prediction, training elsewhere", "ms", durations)
    row.aim, row.met = "p95 < 300", row.p95 < 300
    return [row]


def train(page: Page, server: Server, link: str) -> str:
    """Train a run with the settings of a link to its end. Returns its id."""
    run = start_run(page, server, f"{server.url}/{link}", "Full speed")
    end = time.monotonic() + 120
    while server.store().run(run).state != "completed":  # type: ignore[union-attr]
        if time.monotonic() > end:
            raise TimeoutError("The run did not end within 120 s.")
        page.wait_for_timeout(200)
    return run


def measure() -> list[Row]:
    """Take all measurements one after the other."""
    with open_browser() as browser, Server() as server:
        rows = drags(browser, server, "10 classes", TEN, 20)
        rows += drags(browser, server, "100 classes", HUNDRED, 33)
        return rows + drawings(browser, server)


if __name__ == "__main__":
    report("temperature", __doc__, measure)
