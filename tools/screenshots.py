"""Screenshots of every page.

``python -m tools.screenshots`` writes those of the documents, or only those of the pages that are named. ``--all
FOLDER`` writes every page in both themes at 1280x720, 1920x1080 and 390x844 pixels instead.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from urllib.parse import urlencode

from playwright.sync_api import Page, sync_playwright

from kd_core.config.run import from_flat
from kd_core.config.sweep import Axis, Sweep
from kd_core.config.sweep.search import Search, plan_search
from kd_core.runs.manager import RunManager
from kd_core.store.records import ACTIVE
from tools.chromium import FLAGS, find_or_install
from tools.testing.app_server import ROOT, Server

IMAGES = ROOT / "docs" / "images"
SIZES = ((1280, 720), (1920, 1080), (390, 844))
SETTLE = 6.0  # seconds until a page has drawn its charts on two busy cores
RUN_SECONDS = 120.0
TASKS = {"language": "python_docs", "segmentation": "scenes", "detection": "shapes"}  # data sets by page
TALL = {"search": 1240}  # pixels, so that the charts are in view
IMAGE = {"detection": {"image": "2"}}  # whose boxes cover each other less than those of the first image
PAGES = (
    *("start", "temperature", "distill", "inspect", "compress", *TASKS, "sweep", "search"),
    *("compare", "experiments", "glossary"),
)


def train(folder: Path, pages: Collection[str]) -> None:
    """Store a run on digits, and where their pages are wanted one for each task, a sweep and a search."""
    base = from_flat({"dataset": "digits", "labelled": "50"})
    manager = RunManager(folder)
    names = [manager.start(base)]
    names += [manager.start(from_flat({"dataset": dataset})) for page, dataset in TASKS.items() if page in pages]
    if "sweep" in pages:
        axes = (Axis("temperature", ("1", "2", "4", "8")), Axis("alpha", ("0.5", "0.7", "0.9")))
        names.append(manager.start_sweep(Sweep(base, axes, (0, 1, 2))))
    if "search" in pages:
        ranges = {"temperature": "1..16:log", "alpha": "0..1:linear", "learning_rate": "0.001..0.1:log"}
        search, _ = plan_search(from_flat({"dataset": "moons"}), ranges, {}, (0, 1), trials=30, confirmations=5)
        names.append(manager.start_search(search))
    while any(manager.status(name).is_active for name in names):  # type: ignore[union-attr]
        time.sleep(0.2)
    manager.close()


def wait_until_idle(server: Server, at_least: int) -> None:
    """Wait until that many runs have been stored and all of them have ended. Raises TimeoutError."""
    end = time.monotonic() + RUN_SECONDS
    while time.monotonic() < end:
        runs = server.store().runs()
        if len(runs) >= at_least and not any(row.state in ACTIVE for row in [*runs, *server.store().sweeps()]):
            return
        time.sleep(0.5)
    raise TimeoutError("the runs for the screenshots did not end")


def addresses(server: Server) -> Iterator[tuple[str, str]]:
    """Yield the name and the address of each page, with stored runs in view where there are any."""
    runs = {run.config.dataset.name: run.id for run in server.store().runs()}
    yield "start", server.url
    for page in ("temperature", "distill", "inspect", "compress"):
        yield page, f"{server.url}/{page}?{urlencode({'run': runs['digits']})}"
    for page, dataset in TASKS.items():
        if dataset in runs:
            yield page, f"{server.url}/{page}?{urlencode({'run': runs[dataset], **IMAGE.get(page, {})})}"
    for row in server.store().sweeps():
        page = "search" if isinstance(row.plan, Search) else "sweep"
        yield page, f"{server.url}/sweep?{urlencode({'sweep': row.id})}"
    for page in ("compare", "experiments", "glossary"):
        yield page, f"{server.url}/{page}"


def shoot(page: Page, address: str, path: Path) -> None:
    """Open an address and write what is in view to a PNG file."""
    page.goto(address)
    page.wait_for_timeout(1000 * SETTLE)
    path.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=path)


def main() -> None:
    """Take the screenshots."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", type=Path, metavar="FOLDER", help="every page in every size and theme")
    parser.add_argument("pages", nargs="*", choices=(*PAGES, []), metavar="PAGE", help="those to be shown; default all")
    arguments, chromium = parser.parse_args(), find_or_install()
    folder, pages = arguments.all, arguments.pages or PAGES
    with tempfile.TemporaryDirectory() as data, sync_playwright() as playwright:
        train(Path(data), pages)
        server = Server(Path(data))
        browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        browser.new_page().goto(server.url)
        wait_until_idle(server, at_least=3)
        sizes = SIZES if folder else SIZES[:1]
        for theme in ("light", "dark") if folder else ("light",):
            for width, height in sizes:
                page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=theme)
                for name, address in addresses(server):
                    if name not in pages:
                        continue
                    file = folder / f"{name}-{theme}-{width}.png" if folder else IMAGES / f"{name}.png"
                    page.set_viewport_size({"width": width, "height": height if folder else TALL.get(name, height)})
                    shoot(page, address, file)
        browser.close()
        server.stop()


if __name__ == "__main__":
    main()
