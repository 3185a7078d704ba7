"""Report of a run, opened as a file."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from kd_core.config.run import from_flat
from kd_core.export.report import report
from kd_core.runs.manager import RunManager
from kd_core.store.annotations import normalize
from tests.browser.conftest import SHOTS
from tools.testing import axe
from tools.testing.waiting import wait_for_end

QUICK = {"dataset": "digits", "epochs": "3", "teacher_epochs": "2"}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Report of a finished run whose name is HTML."""
    folder = tmp_path_factory.mktemp("report")
    manager = RunManager(folder)
    run = manager.start(from_flat(QUICK))
    assert wait_for_end(manager, run, 60) == "completed"
    manager.annotation_store.write(run, normalize("<script>document.title = 'taken'</script>", [], ""))
    (folder / "report.html").write_text(report(manager.store, manager.store.run(run)), encoding="utf-8")
    manager.close()
    return folder / "report.html"


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_a_report_opens_without_a_network_and_its_bars_move_with_the_temperature(
    browser: Browser, file: Path, width: int, scheme: str
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme, offline=True)
    page = context.new_page()
    messages: list[str] = []
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    page.goto(file.as_uri())
    assert page.title() == "<script>document.title = 'taken'</script> · Distillery"

    def probabilities() -> list[float]:
        texts = page.locator("#bars .bar.teacher").all_text_contents()
        return [float(text.removeprefix("■ ")) for text in texts]

    def set_temperature(temperature: float) -> None:
        page.locator("#temperature").fill(f"{math.log2(temperature):.2f}")

    set_temperature(1)
    sharp = probabilities()
    set_temperature(16)
    soft = probabilities()
    assert sum(sharp) == pytest.approx(1, abs=0.01)
    assert sum(soft) == pytest.approx(1, abs=0.01)
    assert max(soft) < max(sharp)
    assert sharp.index(max(sharp)) == soft.index(max(soft))
    page.locator("#temperature").press("ArrowLeft")  # by the keyboard
    assert probabilities() != soft or page.locator("#t").text_content() != "16"
    page.locator("#examples button").nth(3).click()
    expect(page.locator("#example")).to_contain_text("true class 3")
    expect(page.locator("#bars .class.true b")).to_have_text("✓ 3")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert axe.violations(page) == []
    page.screenshot(path=SHOTS / f"report-{scheme}-{width}.png", full_page=True)
    assert messages == []
    context.close()
