"""The Temperature page in a real browser, where every figure follows the slider without asking the server."""

import csv
import io
import math
import re
import statistics
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Page, expect

from kd_core.analysis.examples import drawing as drawing_module
from kd_core.analysis.replay import TAUGHT, TEST, Replay
from kd_core.base import metrics
from kd_core.methods.soft_targets import soft_targets
from tests.browser.conftest import (
    SHOTS,
    expect_to_fit,
    messages_sent_by,
    parameter,
    settled,
    wait_for_parameter,
    whole_picture,
)
from tests.browser.test_distill import start
from tools.testing.app_server import Server
from tools.testing.drawn_page import wait_until_drawn
from tools.testing.waiting import wait

New = Callable[..., Page]
DIGITS = "dataset=digits"  # with the settings that it suggests

# Sixty moves of the handle, one per frame; gives back how often the bars were drawn and the time between frames.
DRAG = """
async (slider) => {
  const before = window.__distillery.drawn.softened;
  const times = [];
  for (let move = 0; move < 60; move += 1) {
    const [low, high] = [Number(slider.min), Number(slider.max)];
    slider.value = low + ((move * 37) % 60) / 60 * (high - low);
    slider.dispatchEvent(new Event('input', {bubbles: true}));
    times.push(await new Promise((next) => requestAnimationFrame(next)));
  }
  await new Promise((next) => requestAnimationFrame(next));
  const gaps = times.slice(1).map((time, i) => time - times[i]);
  return {drawn: window.__distillery.drawn.softened - before, gaps};
}
"""


# Is there ink in the middle of each of the 64 x 64 cells of the pad?
INK = """
(canvas) => {
  const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  const at = (place, size) => Math.floor(((place + 0.5) / 64) * size);
  return Array.from({length: 64}, (_, y) => Array.from({length: 64}, (_, x) =>
    pixels[4 * (at(y, canvas.height) * canvas.width + at(x, canvas.width)) + 3] > 127));
}
"""


@pytest.fixture(scope="module")
def run(server: Server, browser: object) -> str:
    return train(server, browser, DIGITS)


def train(server: Server, browser: object, settings: str) -> str:
    """A run started as a visitor starts it."""
    page = browser.new_page()  # type: ignore[attr-defined]
    run = start(page, server, f"/distill?autoplay=0&{settings}", "Full speed")
    page.close()
    wait(lambda: server.store().run(run).state == "completed", 90)
    return run


def visit(page: Page, server: Server, run: str, **lens: object) -> Replay:
    page.goto(f"{server.url}/temperature?run={run}" + "".join(f"&{name}={value}" for name, value in lens.items()))
    page.locator(".dst-softened").scroll_into_view_if_needed()  # it is drawn where it can be seen
    expect(page.locator(".dst-softened .dst-title")).not_to_be_empty()
    page.get_by_role("heading", level=1).scroll_into_view_if_needed()
    wait_until_drawn(page)
    store = server.store()
    return Replay(store, store.run(run))


def handle(page: Page):
    return page.locator(".dst-dock input[type=range]")


CHAPTERS = {
    "gradients": "T² and gradients",
    "calibration": "Calibration",
    "dark-knowledge": "Dark knowledge",
    "target-sources": "Sources of soft targets",
}


def show(page: Page, instrument: str) -> None:
    """Open the chapter of a figure."""
    if instrument in CHAPTERS:
        page.get_by_role("radio", name=CHAPTERS[instrument]).click()
        expect(page.locator(f".dst-{instrument} figure").first).to_be_attached()


def numbers(page: Page, instrument: str, tmp_path: Path, which: int = 0) -> list[dict[str, str]]:
    """The CSV of a figure, as somebody who presses the button gets it."""
    show(page, instrument)
    button = page.locator(f".dst-{instrument}").get_by_role("button", name="Download the data as CSV").nth(which)
    button.scroll_into_view_if_needed()
    wait_until_drawn(page)
    with page.expect_download() as download:
        button.click()
    path = tmp_path / f"{instrument}-{which}.csv"
    download.value.save_as(path)
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"))))


def soften(logits: torch.Tensor, temperature: float) -> torch.Tensor:
    return (logits.double() / temperature).softmax(-1)


def test_sixty_moves_of_the_handle_are_sixty_redraws_and_no_word_to_the_server(
    server: Server, new_page: New, run: str
) -> None:
    page = new_page()
    sent = messages_sent_by(page)
    visit(page, server, run)
    quiet = settled(page, lambda: len(sent))
    assert handle(page).evaluate(DRAG)["drawn"] == 60
    assert len(sent) == quiet
    spoken = handle(page).get_attribute("aria-valuetext")
    assert re.match(r"Temperature [\d.]+, teacher's top class \d, \d+ percent; student's", spoken)
    handle(page).dispatch_event("change")  # let go: told once, and from then on in the address
    temperature = float(wait_for_parameter(page, "temperature"))
    number = page.get_by_label("Temperature, as a number")
    wait(lambda: temperature == pytest.approx(float(number.input_value()), abs=0.006))


def test_picture_logits_bars_and_slider_are_in_view_together_and_the_input_stays(
    server: Server, new_page: New, run: str
) -> None:
    page = new_page(width=1280, height=720)
    sent = messages_sent_by(page)
    visit(page, server, run, temperature="1", image="3")
    slider = handle(page).bounding_box()
    for selector in (".dst-picture", ".dst-softened .dst-viewport", ".dst-notice"):
        box = page.locator(selector).bounding_box()
        assert 0 <= box["y"] < box["y"] + box["height"] <= slider["y"], selector
    assert page.locator(".dst-picture").bounding_box()["width"] >= 180

    quiet, notice = settled(page, lambda: len(sent)), page.locator(".dst-notice")
    expect(notice).to_have_text(re.compile("^At T = 1, as trained, the teacher puts"))
    page.mouse.move(slider["x"] + slider["width"] / 2, slider["y"] + slider["height"] / 2)
    page.mouse.down()
    for fraction in (0.55, 0.7, 0.95):
        before = notice.inner_text()
        page.mouse.move(slider["x"] + fraction * slider["width"], slider["y"] + slider["height"] / 2)
        expect(notice).not_to_have_text(before)
    expect(notice).to_contain_text("nearly uniform: entropy 2.")
    assert len(sent) == quiet  # no script run while the slider is held
    page.mouse.up()
    wait_for_parameter(page, "temperature")

    phone = new_page(width=390, height=844)
    visit(phone, server, run)
    phone.mouse.move(200, 300)
    phone.mouse.wheel(0, 2000)
    wait(lambda: phone.locator(".dst-picture").bounding_box()["y"] < 0)
    wait_until_drawn(phone)
    picture = phone.locator(".dst-dock-input .dst-thumbnail").bounding_box()
    assert 0 < picture["y"] < picture["y"] + picture["height"] < 844
    assert picture["width"] >= 40


def test_the_numbers_of_every_figure_are_the_engine_s(server: Server, new_page: New, run: str, tmp_path: Path) -> None:
    page = new_page(height=1000)
    recall = visit(page, server, run, temperature="2.5", image="17", alpha="0.7", epoch="12", first="4", second="9")
    moment, temperature = recall.snapshot_at(12), 2.5
    logits, labels = recall.logits(moment), recall.splits[TEST].labels
    expect_readouts(page, {role: rows[TEST][17] for role, rows in logits.items()}, temperature)
    roles = ("teacher", "student", "baseline")
    near = lambda value: pytest.approx(value, rel=1e-6, abs=1e-6)  # noqa: E731

    rows = numbers(page, "softened", tmp_path)
    for role in roles:
        expected = soften(logits[role][TEST][17], temperature).tolist()
        assert [float(row[f"{role} p"]) for row in rows] == near(expected)
    assert [float(row["label"]) for row in rows].index(1) == labels[17]

    rows = numbers(page, "dark-knowledge", tmp_path)
    for role in roles:
        soft = soften(logits[role][TEST], temperature)
        means = torch.stack([soft[labels == label].mean(0) for label in range(10)])
        assert [float(row[role]) for row in rows] == near(means.flatten().tolist())

    rows = numbers(page, "calibration", tmp_path)
    for role in roles:
        overall = next(row for row in rows if row["network"] == role and row["bin from"] == "all")
        assert float(overall["expected calibration error"]) == near(
            metrics.calibration_error(logits[role][TEST] / temperature, labels)
        )
    rows = numbers(page, "calibration", tmp_path, 1)
    validation = recall.splits["validation"].labels
    for row in rows:
        for role in roles:
            loss = metrics.nll(logits[role]["validation"].double() / float(row["temperature"]), validation)
            assert float(row[role]) == near(loss)
    for role in roles:
        best = next(row for row in rows if row["point"] == f"best temperature of the {role}")
        assert float(best[role]) <= min(float(row[role]) for row in rows) + 1e-9

    taught = recall.splits[TAUGHT].labels
    row = numbers(page, "gradients", tmp_path)[0]
    student, teacher = logits["student"][TAUGHT].double(), logits["teacher"][TAUGHT].double()
    with_factor = length_of_gradient(lambda s, t: soft_targets(s, t, temperature), student, teacher)
    assert float(row["teacher gradient norm with T²"]) == near(with_factor)
    assert float(row["teacher gradient norm without T²"]) == near(with_factor / temperature**2)
    of_labels = length_of_gradient(torch.nn.functional.cross_entropy, student, taught)
    assert float(row["label gradient norm"]) == near(of_labels)
    row = numbers(page, "gradients", tmp_path, 1)[0]
    fraction = 0.7 * with_factor / (0.7 * with_factor + 0.3 * of_labels)
    assert float(row["teacher's share of the gradient with T²"]) == near(fraction)

    rows = {int(row["class"]): row for row in numbers(page, "target-sources", tmp_path)}
    targets = sources(logits["teacher"][TEST][17], int(labels[17]), temperature)
    for name, expected in targets.items():
        assert [float(rows[k][name]) for k in range(10)] == near(expected.tolist())
    row = numbers(page, "target-sources", tmp_path, 1)[0]
    for name, expected in targets.items():  # ln K - H: how far from the uniform distribution
        assert float(row[name]) == near(math.log(10) - torch.special.entr(expected).sum().item())


def expect_readouts(page: Page, logits: dict[str, torch.Tensor], temperature: float) -> None:
    """Expect the numbers in the texts of one image's figure, for the classes 4 and 9."""
    teacher, student = (soften(logits[role], temperature) for role in ("teacher", "student"))
    kl = (teacher * (teacher.log() - student.log())).sum().item()
    for value in (kl, metrics.entropy(logits["teacher"][None], temperature), 1 - teacher.max().item()):
        expect(page.locator(".dst-softened .dst-summaries")).to_contain_text(shortened(value))
    ratio = math.exp((logits["teacher"][4] - logits["teacher"][9]).item() / temperature)
    expect(page.locator(".dst-ratio")).to_contain_text(shortened(ratio))


def sources(teacher: torch.Tensor, label: int, temperature: float) -> dict[str, torch.Tensor]:
    """The four distributions at the default smoothing (0.1, torch's convention) and certainty (0.99)."""
    one_hot = torch.nn.functional.one_hot(torch.tensor(label), 10).double()
    made_up = torch.where(one_hot == 1, 0.99, 0.01 / 9)
    return {
        "one-hot": one_hot,
        "label smoothing": 0.9 * one_hot + 0.01,
        "virtual teacher": (made_up / temperature).softmax(0),  # probabilities softened like logits, as in the paper
        "teacher": soften(teacher, temperature),
    }


def length_of_gradient(loss: Callable, student: torch.Tensor, other: torch.Tensor) -> float:
    """Mean over the examples of the length of one example's gradient with respect to the student's logits."""
    lengths = []
    for logits, target in zip(student.split(1), other.split(1), strict=True):
        inputs = logits.clone().requires_grad_()
        loss(inputs, target).backward()
        lengths.append(inputs.grad.norm().item())
    return statistics.fmean(lengths)


def shortened(value: float) -> str:
    """Three significant digits, as the page writes numbers from a thousandth to a thousand."""
    return f"{value:#.3g}"


def test_a_typed_temperature_that_is_none_gets_a_sentence_and_changes_nothing(
    server: Server, new_page: New, run: str
) -> None:
    page = new_page()
    visit(page, server, run, temperature="8")
    box, error = page.get_by_label("Temperature, as a number"), page.locator(".dst-dock .dst-error")
    for typed in ("0", "-3", "1e9", "100", ""):
        box.fill(typed)
        box.press("Enter")
        expect(error).to_contain_text("choose a number from 0.25 to 64. It stays 8.0.")
        expect(box).to_have_value("8.0")
        box.fill("8")
        box.press("Enter")
        expect(error).to_be_hidden()
    box.fill("3")
    box.press("Enter")
    wait_for_parameter(page, "temperature", "3")


def test_a_drawn_digit_is_answered_by_all_networks_as_the_engine_answers(
    server: Server, new_page: New, run: str, tmp_path: Path
) -> None:
    page = new_page()
    recall = visit(page, server, run, source="drawing")
    expect(page.locator(".dst-softened .dst-title")).to_have_text("Nothing drawn yet")
    pad = page.locator(".dst-drawing-pad canvas").bounding_box()
    page.mouse.move(pad["x"] + pad["width"] / 2, pad["y"] + 0.15 * pad["height"])
    page.mouse.down()
    page.mouse.move(pad["x"] + 0.52 * pad["width"], pad["y"] + 0.85 * pad["height"], steps=12)
    page.mouse.up()
    expect(page.locator(".dst-softened .dst-title")).to_have_text("Your drawing")
    wait_for_parameter(page, "drawing")
    drawing = settled(page, lambda: parameter(page, "drawing"))
    answer = recall.predict_drawing(recall.snapshot_at(-1), drawing)
    rows = numbers(page, "softened", tmp_path)
    for role, expected in answer.items():
        assert [float(row[f"{role} logit"]) for row in rows] == pytest.approx(expected, abs=1e-6)
    assert rows[1]["class"] == "1"
    assert max(range(10), key=lambda k: float(rows[k]["teacher p"])) == 1

    paper = page.locator(".dst-drawing-pad canvas").evaluate(INK)
    raster = drawing_module.rasterize(drawing_module.strokes(drawing)) > 0.5
    same = (torch.tensor(paper) == raster[2::4, 2::4]).double().mean().item()
    assert same > 0.98  # the pad shows the ink that the networks are given

    again = new_page()  # the link holds the drawing
    again.goto(page.evaluate("location.href"))
    expect(again.locator(".dst-softened .dst-title")).to_have_text("Your drawing")


def test_another_run_can_be_chosen_and_the_address_says_which_one_is_shown(
    server: Server, browser: object, new_page: New, run: str
) -> None:
    other = train(server, browser, "dataset=moons&epochs=3&teacher_epochs=2")
    page = new_page()
    visit(page, server, run, temperature="6")
    page.get_by_role("combobox", name="Run").scroll_into_view_if_needed()
    wait_until_drawn(page)  # scrolling closes a list
    page.get_by_role("combobox", name="Run").click()
    page.get_by_role("option").filter(has_text="Two moons").first.click()
    expect(page.locator(".dst-softened .dst-class").first).to_have_text(re.compile("A"))
    wait_for_parameter(page, "run", other)
    page.go_back()
    expect(page.locator(".dst-softened .dst-class").first).to_have_text(re.compile("0"))


def test_what_is_looked_at_stays_when_the_run_ends(server: Server, new_page: New) -> None:
    page = new_page()
    live = start(page, server, "/distill?autoplay=0&dataset=digits&epochs=2000&teacher_epochs=2&seed=3")
    wait(lambda: len(server.store().snapshots(live)) > 3, 60)
    other = new_page()
    other.goto(f"{server.url}/temperature?run={live}&source=logits&teacher_logits=1,2&student_logits=2,1")
    title = other.locator(".dst-softened .dst-title")
    expect(title).to_have_text("Your logits")
    handle(other).focus()
    other.keyboard.press("ArrowRight")
    chosen = wait_for_parameter(other, "temperature")
    page.get_by_role("button", name="Stop and keep").click()
    expect(other.get_by_text("still training")).to_be_hidden()
    expect(title).to_have_text("Your logits")
    assert parameter(other, "temperature") == chosen != "4"


def test_examples_can_be_filtered_and_the_counts_are_right(server: Server, new_page: New, run: str) -> None:
    page = new_page()
    recall = visit(page, server, run)
    logits, labels = recall.logits(recall.snapshot_at(-1)), recall.splits[TEST].labels
    wrong = (logits["student"][TEST].argmax(1) != labels).sum().item()
    disagree = (logits["student"][TEST].argmax(1) != logits["teacher"][TEST].argmax(1)).sum().item()
    filters = page.get_by_label("Examples to choose from")
    expect(filters.locator("option", has_text="disagree")).to_have_text(re.compile(rf"\({disagree}\)"))
    filters.select_option(label=f"Student errors ({wrong})")
    wait_for_parameter(page, "show", "student_wrong")
    before = page.locator(".dst-softened .dst-title").inner_text()
    page.get_by_role("button", name="Surprise me").click()
    expect(page.locator(".dst-softened .dst-title")).not_to_have_text(before)
    image = int(wait_for_parameter(page, "image"))
    assert logits["student"][TEST][image].argmax() != labels[image]


def test_the_page_can_be_used_by_keyboard_alone(server: Server, new_page: New, run: str) -> None:
    page = new_page()
    visit(page, server, run)

    def reach(selector: str) -> None:
        for _ in range(200):
            page.keyboard.press("Tab")
            if page.evaluate(
                """(selector) => {
                  let node = document.activeElement;
                  while (node?.shadowRoot?.activeElement) node = node.shadowRoot.activeElement;
                  return Boolean(node?.matches(selector));
                }""",
                selector,
            ):
                return
        raise AssertionError(f"{selector} cannot be reached with the Tab key")

    title = page.locator(".dst-softened .dst-title")
    before = title.inner_text()
    reach(".dst-gallery [role=radio]")
    page.keyboard.press("ArrowRight")
    expect(title).not_to_have_text(before)
    reach(".dst-softened [aria-label^=Scale] button[aria-pressed=false]")
    page.keyboard.press("Enter")
    wait_for_parameter(page, "log", "true")
    reach(".dst-softened .dst-term")
    page.keyboard.press("Enter")
    definition = page.locator(".dst-definition:popover-open")
    expect(definition).to_be_visible()
    page.keyboard.press("Escape")
    expect(definition).to_have_count(0)
    reach(".dst-dock input[type=range]")
    page.keyboard.press("ArrowRight")
    wait_for_parameter(page, "temperature")
    turned = page.get_by_label("Temperature, as a number").input_value()
    page.keyboard.press("]")  # from wherever one is
    expect(page.get_by_label("Temperature, as a number")).not_to_have_value(turned)
    reach(".dst-gradients input[type=range]")
    page.keyboard.press("ArrowLeft")
    wait_for_parameter(page, "alpha", "0.89")


def test_figures_can_be_taken_home_as_svg_and_png(server: Server, new_page: New, run: str, tmp_path: Path) -> None:
    from xml.etree import ElementTree

    from PIL import Image

    page = new_page(height=1000)
    visit(page, server, run)
    for instrument in ("softened", "gradients", "dark-knowledge", "calibration", "target-sources"):
        show(page, instrument)
        frame = page.locator(f".dst-{instrument} figure").first
        frame.scroll_into_view_if_needed()
        wait_until_drawn(page)
        for kind in ("SVG", "PNG"):
            with page.expect_download() as download:
                frame.get_by_role("button", name=f"Download the figure as {kind}").click()
            download.value.save_as(tmp_path / f"{instrument}.{kind}")
        drawing = ElementTree.parse(tmp_path / f"{instrument}.SVG").getroot()
        assert drawing.find("{http://www.w3.org/2000/svg}title").text.strip()  # its text alternative goes with it
        assert "http://" not in re.sub(r"http://www\.w3\.org/\S+", "", (tmp_path / f"{instrument}.SVG").read_text())
        with Image.open(tmp_path / f"{instrument}.PNG") as picture:
            assert picture.width == 2 * int(float(drawing.get("width")))
            assert len(picture.convert("RGB").getcolors(1 << 24)) > 8  # something is on it


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 390)])
def test_the_page_fits_the_screen_in_both_themes(
    server: Server, new_page: New, run: str, theme: str, width: int
) -> None:
    page = new_page(width=width, height=844, color_scheme=theme, reduced_motion="reduce")
    visit(page, server, run, temperature="4", diagonal="false")
    handle(page).evaluate(DRAG)
    expect_to_fit(page, width)
    page.wait_for_function("document.getAnimations().every((animation) => animation.playState !== 'running')")
    handle(page).fill("128")  # T = 4 again
    page.screenshot(path=SHOTS / f"temperature-{theme}-{width}-top.png")
    whole_picture(page, SHOTS / f"temperature-{theme}-{width}.png")
