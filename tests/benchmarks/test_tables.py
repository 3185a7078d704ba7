"""Tests of the tables that benchmarks write into the documents."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchmarks import methods, schemes
from benchmarks.support.cells import gain as gain_cell
from benchmarks.support.results import RESULTS, write_table
from kd_core.analysis.verdict import verdict
from kd_core.config.comparison import TestMetrics

PAGE = "# Results\n\n<!-- table:begin (command) -->\nold\n<!-- table:end -->\n\nThe end.\n"


def metrics(**accuracies: float) -> TestMetrics:
    return {role: {"accuracy": accuracy, "examples": 10_000.0} for role, accuracy in accuracies.items()}


TESTS = [metrics(student=0.8, baseline=0.6), metrics(student=0.9, baseline=0.7)]


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "results.md"
    path.write_text(PAGE, encoding="utf-8")
    return path


def test_a_table_is_written_between_its_markers(page: Path) -> None:
    write_table("table", ["| a |", "| b |"], page)
    text = page.read_text(encoding="utf-8")
    assert text.startswith(PAGE.split("old", maxsplit=1)[0] + "| a |\n| b |\n\nMeasured on ")
    assert f"torch {torch.__version__.split('+')[0]}" in text
    assert text.endswith(PAGE.split("old")[1])


def test_markers_that_are_missing_are_named(page: Path) -> None:
    with pytest.raises(ValueError, match="schemes"):
        write_table("schemes", [], page)


@pytest.mark.parametrize("name", ["table", "schemes"])
def test_the_document_has_the_markers(name: str) -> None:
    assert f"<!-- {name}:begin" in RESULTS.read_text(encoding="utf-8")


def test_measuring_one_method_replaces_its_row_and_keeps_the_others(page: Path) -> None:
    results = dict.fromkeys(methods.SETTINGS, TESTS)
    methods.write_all({"dkd": results, "hints": results}, page)
    before = page.read_text(encoding="utf-8").splitlines()
    assert before[3:8] == [
        *methods.HEADER,
        "| no teacher | baseline | 65.0 ± 7.1 |  | 65.0 ± 7.1 | |",
        methods.method_row("dkd", results),
        methods.method_row("hints", results),
    ]
    perfect = [metrics(student=1.0, baseline=0.6), metrics(student=1.0, baseline=0.8)]
    methods.replace_rows({"dkd": dict.fromkeys(methods.SETTINGS, perfect)}, page)
    after = page.read_text(encoding="utf-8").splitlines()
    assert "100.0 ± 0.0" in after[6]
    assert [number for number, line in enumerate(after) if line != before[number]] == [6]


def test_a_method_that_was_not_in_the_table_is_added_in_its_place(page: Path) -> None:
    results = dict.fromkeys(methods.SETTINGS, TESTS)
    methods.write_all({"dkd": results, "hints": results}, page)
    methods.replace_rows({"nkd": results}, page)
    names = [line.split("`")[1] for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    assert names == ["dkd", "nkd", "hints"]


def test_a_scheme_of_several_trainings_has_a_second_control() -> None:
    alone = [metrics(baseline=0.75), metrics(baseline=0.85)]
    cells = schemes.table_row(schemes.Row("offline", "an example"), TESTS, alone).split(" | ")
    assert cells[2:4] == ["85.0 ± 7.1", "65.0 ± 7.1"]
    assert cells[4].startswith("**+20.0**")
    assert cells[5].startswith("80.0 ± 7.1: **+5.0**")


def test_a_row_is_marked_far_from_the_limit_only() -> None:
    close = [metrics(student=0.80 + gain, baseline=0.80) for gain in (0.02, 0.03, 0.035)]
    assert verdict(close).outcome == "gain"
    assert not gain_cell(close).startswith("*")
    assert gain_cell([metrics(student=0.7, baseline=0.8)] * 2).startswith("_−10.0_")


def test_methods_that_refuse_the_networks_of_the_table_are_left_out_and_named(capsys: pytest.CaptureFixture) -> None:
    names = methods.all_methods()
    assert {"soft_targets", "hints", "nkd"} <= set(names)
    assert not {"distillation_token", "localisation"} & set(names)
    assert "Distillation token (DeiT) needs a student with a class token" in capsys.readouterr().out
