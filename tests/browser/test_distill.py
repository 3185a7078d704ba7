"""Page that sets up, starts and shows a run, in a real browser."""

import re
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from kd_core.base.events import Adjusted
from kd_core.config.run import from_flat
from kd_core.store.store import Store
from kd_core.training.loop import Trainer
from tests.browser.conftest import choose, expect_to_fit, messages_sent_by, parameter, settled, wait_for_parameter
from tools.testing.app_server import Server
from tools.testing.drawn_page import wait_until_drawn
from tools.testing.waiting import wait

New = Callable[..., Page]
LONG = "/distill?dataset=moons&epochs=900&teacher_epochs=1&autoplay=0"
PLOT = "document.querySelectorAll('.dst-plot')[0]"
CHOICES = ("Data", "Teacher", "Student", "Method", "Distillation scheme")
SCROLLED = "document.querySelector('[data-testid=stMain]').scrollTop"


def start(page: Page, server: Server, path: str = LONG, pace: str = "Slow motion") -> str:
    """Start a run, by default one that does not end before the test does, and return its id."""
    page.goto(server.url + path)
    choose_pace(page, pace)
    page.get_by_role("button", name="Start training").click()
    return wait_for_parameter(page, "run")


def choose_pace(page: Page, pace: str) -> None:
    page.get_by_role("radio", name=pace).click()
    expect(page.get_by_role("radio", name=pace)).to_be_checked()
    wait_until_drawn(page)


def in_view(*elements: Locator) -> None:
    for element in elements:
        expect(element).to_be_in_viewport(ratio=1)


def points(page: Page) -> int:
    return page.evaluate(f"{PLOT}?.data?.reduce((sum, trace) => sum + trace.x.length, 0) ?? 0")


def reach(page: Page, name: str, key: str = "", tabs: int = 120) -> None:
    """Press Tab, so many times at most, until a button of that name has the focus, and then the key."""
    wait_until_drawn(page)
    for _ in range(tabs):
        page.keyboard.press("Tab")
        focused = page.evaluate("document.activeElement?.innerText ?? ''")
        if name in focused and page.evaluate("document.activeElement.tagName") == "BUTTON":
            if key:
                page.keyboard.press(key)
            return
    raise AssertionError(f"{name} cannot be reached with the Tab key")


def follow_the_slider(page: Page, sent: list) -> None:
    """Drag the temperature and assert that the formula has its value before the server is told."""
    formula, slider = page.locator(".katex").first, page.get_by_role("slider", name="Temperature T")
    thumb, quiet = slider.locator("xpath=../.."), settled(page, lambda: len(sent))
    box = thumb.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 80, box["y"] + box["height"] / 2, steps=4)
    expect(slider).not_to_have_value("4")

    def has_its_value() -> bool:
        value = f"{float(slider.input_value()):g}"
        return rf"{value}^2 \cdot \mathrm{{KL}}_{{T={value}}}" in (formula.locator("annotation").text_content() or "")

    wait(has_its_value)  # a busy browser handles the last moves later
    value = f"{float(slider.input_value()):g}"
    expect(formula.locator("mn")).to_have_text(["0.1", "0.9", value, "2", value])
    assert len(sent) == quiet
    page.mouse.up()
    wait_for_parameter(page, "temperature", value)
    expect(slider).to_have_value(value)


def stop(page: Page) -> None:
    page.get_by_role("button", name="Stop and keep").click()
    expect(page.get_by_text("This run was stopped.")).to_be_visible()


def ended(page: Page, server: Server, run: str) -> None:
    """Wait until the run has ended and the page has been redrawn for it."""
    wait(lambda: server.store().run(run).state == "completed", 60)
    expect(page.get_by_text("One seed cannot")).to_be_visible()
    expect(page.locator(".dst-epoch-slider")).to_have_count(1)


def test_a_run_continues_after_a_reload_and_two_tabs_show_the_same(server: Server, new_page: New) -> None:
    page, other = new_page(), new_page()
    run = start(page, server)
    page.wait_for_function(f"() => {PLOT}?.data?.length > 2")
    page.reload()
    page.wait_for_function(f"() => {PLOT}?.data?.length > 2")
    assert parameter(page, "run") == run
    before = points(page)
    wait(lambda: points(page) > before)
    other.goto(f"{server.url}/distill?run={run}")
    expect(other.get_by_role("button", name="Pause")).to_be_visible()
    wait(lambda: points(other) > before)
    page.get_by_role("button", name="Pause").click()
    for each in (page, other):
        expect(each.get_by_role("button", name="Resume")).to_be_visible()
    other.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    stop(page)
    expect(other.get_by_text("This run was stopped.")).to_be_visible()  # the other tab hears of it


def test_zoom_and_keyboard_focus_are_kept_while_a_run_trains_and_a_changed_temperature_becomes_a_marker(
    server: Server, new_page: New
) -> None:
    page = new_page(height=1600)
    run = start(page, server)
    page.wait_for_function(f"() => {PLOT}?.data?.length > 2")
    page.evaluate(f"window.kept = {PLOT}")
    area = page.locator(".dst-plot .nsewdrag").first
    area.hover(position={"x": 12, "y": 40})  # waits until it stands still
    box = area.bounding_box()
    page.mouse.down()
    page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + 60, steps=8)
    page.mouse.up()
    zoom = f"{PLOT}._fullLayout.xaxis.range.map((edge) => +edge.toFixed(4))"
    page.wait_for_function(f"() => {zoom}[1] < 540")  # of 900 epochs
    zoomed, before = page.evaluate(zoom), points(page)
    wait(lambda: points(page) > before + 10)
    assert page.evaluate(zoom) == zoomed
    assert page.evaluate(f"window.kept === {PLOT}")  # the very same node

    page.get_by_role("slider", name="Temperature T").focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    store = server.store()
    wait(lambda: len(store.events(run, kinds=["adjusted"])) > 0)
    change = store.events(run, kinds=["adjusted"])[0][1]
    assert isinstance(change, Adjusted)
    assert change.option == "temperature"
    alpha = page.get_by_role("slider", name="Teacher weight α")
    alpha.focus()
    for value in (0.89, 0.88, 0.87, 0.86):
        page.keyboard.press("ArrowLeft")
        expect(alpha).to_have_value(str(value))
        before = points(page)
        wait(lambda: points(page) > before)  # the page is updated  # noqa: B023
    expect(alpha).to_have_value("0.86")
    expect(alpha).to_be_focused()
    wait(lambda: [event.new for _, event in store.events(run, kinds=["adjusted"])][-1] == 0.86)
    page.get_by_role("button", name="Reset zoom").first.click()
    expect(page.locator(".dst-curves").get_by_text(re.compile("T 4 → 4")).first).to_be_attached()
    stop(page)
    expect(page.get_by_role("heading", name="Training data, cost and accuracy")).to_be_visible()
    assert page.evaluate(f"window.kept === {PLOT}")  # the page has become that of an ended run around it


def test_another_method_changes_the_formula_and_the_same_diagram_element(server: Server, new_page: New) -> None:
    page = new_page()
    page.goto(server.url + "/distill?student=cnn&student_width=8&teacher_depth=3&autoplay=0")
    page.get_by_role("tab", name="Matched features").click()
    drawing = page.locator(".dst-feature-diagram svg")
    expect(drawing).to_have_attribute("aria-label", re.compile("Soft targets .*logits"))
    expect(page.locator(".dst-adapter")).to_have_count(0)
    before = drawing.element_handle()
    choose(page, "Method", "Hints")
    expect(page.locator(".dst-adapter title")).to_contain_text("3 × 3 convolution, stride 2 8 → 32")
    expect(drawing).to_have_attribute("aria-label", re.compile(r"stage 1 \(8 × 8 × 8\) of the student with stage 2"))
    expect(page.locator(".katex-mathml annotation").first).to_contain_text(r"100 \cdot \mathrm{MSE}")
    assert page.evaluate("([one, other]) => one === other", [before, drawing.element_handle()])  # the very same node
    expect(page.locator(".dst-link-soft")).to_have_count(0)
    weight = page.get_by_role("spinbutton", name="Weight of soft targets")
    wait_until_drawn(page)
    weight.fill("0.5")
    weight.press("Enter")
    expect(page.locator(".dst-link-soft")).to_have_count(1)
    page.set_viewport_size({"width": 390, "height": 844})
    expect(page.get_by_role("button", name="Start training")).to_be_in_viewport(ratio=1)
    wait(lambda: drawing.evaluate("(node) => node.clientWidth") < 380)
    expect_to_fit(page, 390)


def test_loss_parts_switch_between_weighted_and_raw_without_the_server(server: Server, new_page: New) -> None:
    page = new_page(height=1600)
    sent = messages_sent_by(page)
    run = start(page, server, "/distill?dataset=moons&epochs=4&teacher_epochs=2&method=hints", "Full speed")
    ended(page, server, run)
    hints = page.locator(".dst-legend button", has_text="hints").locator("b")
    expect(hints).to_have_text(re.compile(r"\d"))
    quiet, weighted = settled(page, lambda: len(sent)), float(hints.inner_text())
    page.get_by_role("button", name="raw", exact=True).click()
    expect(page.get_by_role("button", name="raw", exact=True)).to_have_attribute("aria-pressed", "true")
    wait(lambda: abs(weighted / float(hints.inner_text()) - 100) < 2)  # the weight of hints
    page.wait_for_timeout(300)
    assert len(sent) == quiet


def test_clicks_in_other_tabs_change_no_result(server: Server, new_page: New) -> None:
    first, other = new_page(), new_page()
    run = start(first, server, "/distill?dataset=moons&epochs=60&seed=11", "Watch")
    other.goto(server.url + "/distill?dataset=digits&autoplay=0")
    for _ in range(6):
        other.get_by_role("spinbutton", name="Seed").press("ArrowUp")
        other.wait_for_timeout(150)
    first.get_by_role("radio", name="Full speed").click()
    store = server.store()
    wait(lambda: store.run(run).state == "completed", 60)
    expected = list(Trainer(from_flat({"dataset": "moons", "epochs": "60", "seed": "11"})))
    assert [event for _, event in store.events(run)] == expected


def test_one_screen_holds_choices_training_and_result_and_the_temperature_moves_without_the_server(
    server: Server, new_page: New
) -> None:
    page = new_page(1280, 720)
    sent = messages_sent_by(page)
    choices = [page.get_by_role("combobox", name=name) for name in CHOICES]
    sliders = [page.locator(".st-key-numbers").get_by_test_id("stSlider").nth(number) for number in (0, 1)]  # T and α

    def tops(figure: str) -> list[float]:
        """Return where the result and the first figure below it begin."""
        return [page.locator(element).first.bounding_box()["y"] for element in (".st-key-result", figure)]

    page.goto(server.url + "/distill?dataset=digits&epochs=40&teacher_epochs=2&autoplay=0")
    expect(page.locator(".dst-plan-diagram svg")).to_be_visible()
    wait_until_drawn(page)
    in_view(*choices, *sliders, page.get_by_role("button", name="Start training"))
    in_view(page.locator(".dst-plan-diagram svg"), page.get_by_text("The baseline is the same student"))
    before = tops("[data-testid=stTabs]")

    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to main content")).to_be_focused()
    page.keyboard.press("Enter")
    reach(page, "Start training", "Enter", tabs=10)
    run = wait_for_parameter(page, "run")
    expect(page.get_by_text("Training: students")).to_be_visible()
    figures = page.locator(".dst-plot").first, page.locator(".dst-soft-targets .dst-rows svg").first
    in_view(*choices, *sliders, page.get_by_role("button", name="Pause"), page.get_by_role("progressbar"), *figures)
    wait(lambda: tops(".dst-curves") == pytest.approx(before, abs=2))

    page.get_by_role("radio", name="Full speed").click()
    ended(page, server, run)
    in_view(*choices, *sliders, page.get_by_role("button", name="Start training"), page.locator(".st-key-verdict"))
    in_view(*figures, page.get_by_role("button", name="Repeat with 4 more seeds"))
    wait(lambda: tops(".dst-curves") == pytest.approx(before, abs=2))
    assert page.evaluate(SCROLLED) == 0

    handle = page.locator(".dst-soft-targets input[type=range]")
    handle.wait_for()
    quiet = settled(page, lambda: len(sent))
    redraws = page.evaluate("window.__distillery.redraws")
    handle.evaluate(
        """async (slider) => {
          for (let step = 0; step < 60; step += 1) {
            slider.value = Number(slider.value) + (step % 2 ? 3 : -2);
            slider.dispatchEvent(new Event('input', {bubbles: true}));
            await new Promise((next) => requestAnimationFrame(next));
          }
        }"""
    )
    wait(lambda: page.evaluate("window.__distillery.redraws") - redraws >= 55)
    assert len(sent) == quiet
    expect(handle).to_have_attribute("aria-valuetext", re.compile("top class"))
    follow_the_slider(page, sent)


def test_the_epoch_slider_moves_surfaces_bars_and_curves_together(server: Server, new_page: New) -> None:
    page = new_page(height=2400)
    run = start(page, server, "/distill?dataset=moons&epochs=20&teacher_epochs=4", "Full speed")
    ended(page, server, run)
    label = page.locator(".dst-epoch-slider output")
    expect(label).to_have_text("students, epoch 20 of 20")
    settled(page, label.inner_text)  # the surfaces may still catch up with the run
    expect(page.locator(".dst-summaries")).not_to_be_empty()
    last = page.locator(".dst-summaries").inner_text()
    page.locator(".dst-epoch-slider input[type=range]").focus()
    for _ in range(15):
        page.keyboard.press("ArrowLeft")
    expect(label).to_have_text("students, epoch 5 of 20")
    expect(page.locator(".dst-epoch-label").last).to_contain_text("students, epoch 5 of 20")
    expect(page.locator(".dst-summaries")).not_to_have_text(last)
    expect(page.locator(".dst-epoch-line").first).to_have_attribute("visibility", "visible")


def test_a_run_can_be_set_up_and_controlled_by_keyboard_only(server: Server, new_page: New) -> None:
    page = new_page()
    page.goto(server.url + "/distill?autoplay=0")
    expect(page.get_by_role("button", name="Start training")).to_be_visible()

    def focus(label: str) -> None:
        wait_until_drawn(page)
        for _ in range(120):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement?.getAttribute('aria-label') ?? ''") == label:
                return
        raise AssertionError(f"{label} cannot be reached with the Tab key")

    focus("Data")
    page.keyboard.type("blobs")
    page.keyboard.press("Enter")
    wait_for_parameter(page, "dataset", "blobs")
    focus("Temperature T")
    page.keyboard.press("ArrowRight")
    wait_for_parameter(page, "temperature", "4.1")
    focus("Epochs")
    page.keyboard.press("Control+A")
    page.keyboard.type("400")
    page.keyboard.press("Enter")
    wait_for_parameter(page, "epochs", "400")
    reach(page, "Advanced", "Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    focus("Search")
    page.keyboard.type("learning rate")
    page.keyboard.press("Enter")
    focus("Learning rate")
    page.keyboard.press("Control+A")
    page.keyboard.type("0.01")
    page.keyboard.press("Enter")
    wait_for_parameter(page, "learning_rate", "0.01")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("button", name="Advanced (1 changed)")).to_be_visible()
    reach(page, "Start training", "Enter")
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    reach(page, "Pause", "Space")
    expect(page.get_by_role("button", name="Resume")).to_be_visible()
    reach(page, "One step", "Enter")
    reach(page, "Resume", "Enter")
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    reach(page, "Stop and keep", "Enter")
    expect(page.get_by_text("This run was stopped.")).to_be_visible()


def test_peers_appear_in_the_plan_and_in_the_live_view_with_different_colours(server: Server, new_page: New) -> None:
    page = new_page(height=2400)
    page.goto(server.url + "/distill?dataset=moons&epochs=200&autoplay=0")
    choose_pace(page, "Slow motion")
    expect(page.locator(".dst-plan-diagram svg")).to_have_attribute("aria-label", re.compile("Offline"))
    choose(page, "Distillation scheme", "Mutual")
    expect(page.locator(".dst-plan-diagram svg")).to_have_attribute("aria-label", re.compile("peer 2"))
    wait_for_parameter(page, "scheme", "mutual")
    page.get_by_role("button", name="Start training").click()
    expect(page.locator(".dst-surface-head", has_text="Peer 2")).to_be_visible()
    page.get_by_role("radio", name="Full speed").click()
    expect(page.locator(".st-key-verdict")).to_contain_text("learned with peers", timeout=120_000)
    expect(page.locator(".dst-surface-head", has_text="Peer 2")).to_be_visible()  # drawn again for the run's end
    marks = page.locator(".dst-surface-head i")
    wait(lambda: len(set(marks.evaluate_all("marks => marks.map((mark) => mark.style.color)"))) == 3)


def test_the_page_of_a_run_that_was_killed_settles_while_its_end_cannot_be_stored(
    tmp_path: Path, start_server: Callable[[], Server], new_page: New
) -> None:
    store = Store(tmp_path / "distillery.sqlite")
    store.add("killed", from_flat({"dataset": "moons", "epochs": "1000"}), "training")
    holder = sqlite3.connect(store.path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    server, page = start_server(), new_page()
    sent = messages_sent_by(page)
    page.goto(f"{server.url}/distill?run=killed&autoplay=0")
    expect(page.get_by_text("could not be stored yet")).to_be_visible(timeout=60_000)
    expect(page.get_by_role("button", name="Resume")).to_be_enabled()
    before = len(sent)
    page.wait_for_timeout(3000)
    assert len(sent) - before < 30  # the notice asks once a second; a page that reloads itself sends hundreds
    holder.execute("ROLLBACK")
    holder.close()
    expect(page.get_by_text("could not be stored yet")).to_be_hidden()
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
