"""Reports of runs as HTML files."""

from __future__ import annotations

import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from kd_core.__main__ import main
from kd_core.base.marks import percent
from kd_core.config.run import from_flat
from kd_core.export.report import charts, report
from kd_core.runs.manager import RunManager
from kd_core.store.annotations import normalize
from tools.testing.waiting import wait, wait_for_end

QUICK = {"dataset": "moons", "epochs": "3", "teacher_epochs": "2", "labelled": "40"}


class Outline(HTMLParser):
    """Tags, attributes and visible text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text, self._tag = "", ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._tag = tag

    def handle_data(self, data: str) -> None:
        if self._tag not in ("script", "style"):
            self.text += data


@pytest.fixture
def manager(tmp_path: Path) -> RunManager:
    manager = RunManager(tmp_path)
    yield manager
    manager.close()


@pytest.fixture
def run(manager: RunManager) -> str:
    run = manager.start(from_flat(QUICK))
    assert wait_for_end(manager, run, 60) == "completed"
    return run


def test_a_report_has_the_numbers_the_settings_and_the_licence_of_the_data(manager: RunManager, run: str) -> None:
    row = manager.store.run(run)
    outline = Outline(report(manager.store, row))
    for metrics in row.test.values():
        assert percent(metrics["accuracy"]) in outline.text
    assert "One seed cannot separate" in outline.text
    assert "drawn from a formula" in outline.text
    assert "labelled" in outline.text
    assert "Unfinished" not in outline.text


def test_the_logits_of_a_report_are_those_of_the_last_evaluation(manager: RunManager, run: str) -> None:
    html = report(manager.store, manager.store.run(run))
    data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)[1])
    probed = [event for _, event in manager.store.iter_events(run, kinds=("probed",)) if "student" in event.logits]
    (student,) = [network for network in data["networks"] if network["title"] == "Student"]
    assert student["logits"] == probed[-1].logits["student"]
    assert [label for example in data["examples"] for label in example["labels"]] == next(
        event for _, event in manager.store.iter_events(run, kinds=("pinned",))
    ).labels


def test_nothing_in_a_report_is_loaded_from_elsewhere(manager: RunManager, run: str) -> None:
    outline = Outline(report(manager.store, manager.store.run(run)))
    for tag, attributes in outline.tags:
        assert tag not in ("link", "iframe", "object")
        assert not attributes.get("href")
        assert not attributes.get("src")


def test_names_and_notes_of_users_are_escaped(manager: RunManager, run: str) -> None:
    hostile = "</title><script>alert(1)</script>"
    manager.annotation_store.write(run, normalize(hostile, [], "<img src=x onerror=alert(2)>"))
    outline = Outline(report(manager.store, manager.store.run(run)))
    assert hostile in outline.text
    assert len([tag for tag, _ in outline.tags if tag == "script"]) == 2
    assert [attributes for tag, attributes in outline.tags if tag == "img"] == [
        {"id": "picture", "alt": "The chosen example", "hidden": None}
    ]


def test_a_report_of_a_run_that_still_trains_is_marked_as_unfinished(manager: RunManager) -> None:
    run = manager.start(from_flat({**QUICK, "epochs": "400"}), pace=0.2)
    wait(lambda: manager.store.count(run) > 10, 30)
    outline = Outline(report(manager.store, manager.store.run(run)))
    assert outline.text.startswith("Unfinished: ")  # the title
    assert outline.text.index("This run is not finished") < 400
    assert "There is no verdict before the end" in outline.text
    manager.stop(run)


@pytest.mark.slow
def test_changes_by_hand_and_what_they_mean_for_the_verdict_are_in_the_report(manager: RunManager) -> None:
    run = manager.start(from_flat({**QUICK, "epochs": "60"}), pace=0.05)
    wait(lambda: any(event.phase == "students" for _, event in manager.store.iter_events(run, kinds=("step",))), 30)
    manager.adjust(run, temperature="6")
    wait(lambda: manager.store.was_adjusted(run), 30)
    assert wait_for_end(manager, run, 60) == "completed"
    text = Outline(report(manager.store, manager.store.run(run))).text
    assert re.search(r"Changed by hand during training: temperature 4 → 6 before step [\d,]+ of students", text)


def test_the_terminal_writes_a_report(
    manager: RunManager, run: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = manager.folder
    monkeypatch.setenv("DISTILLERY_DATA", str(folder))
    assert main(["report", run, str(folder / "r.html")]) == 0
    assert (folder / "r.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert main(["report", "0123456789", str(folder / "r.html")]) == 2
    assert "There is no run 0123456789" in capsys.readouterr().err
    assert main(["report", run, str(folder / "missing" / "r.html")]) == 2
    assert "is not a folder" in capsys.readouterr().err


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0.7, 0.704), (-3, 17), (1e-9, 2e-9), (0, 120), (0.0625, 60)])
def test_ticks_are_round_and_inside_the_range(low: float, high: float) -> None:
    ticks = charts.ticks(low, high)
    assert 2 <= len(ticks) <= charts.MAX_TICKS
    assert all(low - 1e-9 <= tick <= high + 1e-9 for tick in ticks)
    step = ticks[1] - ticks[0]
    digits = step / 10 ** math.floor(math.log10(step) + 1e-6)
    assert min(abs(digits - round_step) for round_step in (1, 2, 5, 10)) < 1e-3


def test_a_curve_of_one_point_is_drawn() -> None:
    svg = charts.line_chart([charts.Line("<b>", "student", 0, [0.0], [50.0])], "epochs", "accuracy, %")
    assert "&lt;b&gt;" in svg
    assert "nan" not in svg
