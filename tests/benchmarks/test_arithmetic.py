"""Tests of the arithmetic of the benchmarks, without measuring."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from benchmarks.peers import FORMULAS, Slice
from benchmarks.peers.repdistiller import Divergence, top
from benchmarks.peers.worker import peak
from benchmarks.recording import cost, relative_costs
from benchmarks.support import aims
from benchmarks.support.rounds import Line, as_json, epochs_for, interleaved, table
from benchmarks.support.workloads import TITLES, WORKS

PLAIN = Line("plain loop", "1", [100.0, 50.0, 200.0])


def test_a_ratio_compares_two_slices_of_the_same_round() -> None:
    assert Line("other", "2", [200.0, 200.0, 100.0]).ratios(PLAIN) == [2.0, 4.0, 0.5]


def test_the_table_shows_the_lowest_median_and_highest_ratio() -> None:
    lines = table([PLAIN, Line("other", "2", [200.0, 200.0, 100.0], 0.25, memory=1234.5)], PLAIN).splitlines()
    assert lines[1].split() == ["plain", "loop", "1", "1.00", "1.00", "1.00", "100.0", "-", "-"]
    assert lines[2].split() == ["other", "2", "0.50", "2.00", "4.00", "200.0", "0.25", "1,234"]


def test_a_library_that_is_not_installed_has_a_line_with_a_note() -> None:
    missing = Line("other", note="not installed here")
    assert table([PLAIN, missing], PLAIN).splitlines()[2].split() == ["other", "not", "installed", "here"]
    assert as_json(missing, PLAIN) == {"name": "other", "threads": "", "note": "not installed here"}


def test_the_written_numbers_are_those_of_the_table() -> None:
    body = as_json(Line("other", "2", [200.0, 200.0, 100.0]), PLAIN)
    assert (body["min"], body["p50"], body["max"]) == (0.5, 2.0, 4.0)
    assert body["ratios"] == [2.0, 4.0, 0.5]


@pytest.mark.parametrize(("rate", "epochs"), [(1.0, 1), (100.0, 30), (1e6, 200)])
def test_a_slice_has_as_many_epochs_as_fill_its_seconds(rate: float, epochs: int) -> None:
    assert epochs_for(rate, steps_per_epoch=10, seconds=3.0, most=200) == epochs


@dataclass
class FakeWorker:
    name: str
    order: list[str]

    def last(self, epochs: int, seconds: float) -> Slice:
        self.order.append(self.name)
        return Slice(0.0, epochs, seconds)


def test_every_other_round_is_reversed_and_one_worker_runs_at_a_time() -> None:
    order: list[str] = []
    workers = {name: FakeWorker(name, order) for name in "abc"}
    slices = interleaved(workers, dict.fromkeys("abc", 4), rounds=3, seconds=1.0)
    assert "".join(order) == "abccbaabc"
    assert [one.steps for one in slices["b"]] == [4, 4, 4]


def test_the_formulas_agree_with_their_definitions() -> None:
    student, teacher, labels = torch.tensor([[1.0, 3.0]]), torch.tensor([[2.0, 0.0]]), torch.tensor([1])
    p, q = torch.tensor([1 / (1 + 2.718281828**-1)]), torch.tensor([1 / (1 + 2.718281828)])  # of class 0, at T = 2
    hard = torch.log(1 + torch.exp(torch.tensor([-2.0])))
    divergence = p * torch.log(p / q) + (1 - p) * torch.log((1 - p) / (1 - q))
    loss = FORMULAS["soft targets"](student, teacher, labels, 2.0, 0.75)
    assert loss.item() == pytest.approx((0.25 * hard + 0.75 * 4 * divergence).item(), rel=1e-5)
    assert Divergence(2.0)(student, teacher).item() == pytest.approx(4 * divergence.item(), rel=1e-5)
    squared = FORMULAS["KD_Lib"](student, teacher, labels, 2.0, 0.75)
    assert squared.item() == pytest.approx((0.25 * hard + 0.75 * 4 * (p - q) ** 2).item(), rel=1e-5)


def test_top_accuracy_is_in_per_cent() -> None:
    logits = torch.tensor([[5.0, 4.0, 3.0], [1.0, 2.0, 3.0], [0.0, 9.0, 8.0], [7.0, 1.0, 0.0]])
    first, second = top(logits, torch.tensor([1, 2, 0, 0]), (1, 2))
    assert (first.item(), second.item()) == (50.0, 75.0)


def test_a_line_has_the_computing_times_of_its_slices_if_they_were_measured() -> None:
    parts = {"steps": 1.0, "looks": 0.25, "rest": 0.5}
    slices = [Slice(0.0, 100, 2.0, 0.5, parts), Slice(0.0, 100, 4.0, 0.7, parts)]
    line = Line.of("ours", "own", slices, 500.0)
    assert (line.rates, line.computed, line.beginning, line.memory) == ([50.0, 25.0], [parts, parts], 0.6, 500.0)
    assert relative_costs(line.computed, "looks", "rest") == [75.0, 75.0]
    assert Line.of("other", "2", [Slice(0.0, 100, 2.0)], 0.0).computed == []


def test_an_aim_is_met_by_the_median_and_an_unmeasured_one_is_neither_met_nor_missed() -> None:
    rows = aims.rows("W1", {"plain": PLAIN, "ours": Line("ours", "own", [700.0, 200.0, 1400.0])})
    assert [row.met for row in rows] == [True, None, None, None, None]
    assert "median ≥ 6: met" in aims.table(rows).splitlines()[1]
    assert aims.table(rows).splitlines()[2] == "ours, compiled / plain loop: median ≥ 15: not measured"
    slow = aims.rows("W2", {"plain": PLAIN, "ours": PLAIN})
    assert slow[0].met is False
    assert {aim.work for aim in aims.AIMS} == set(TITLES) == set(WORKS)


def test_the_peak_memory_of_a_process_is_in_megabytes() -> None:
    assert not Path("/proc/self/status").exists() or 10 < peak() < 1e6


def test_the_cost_of_recording_is_the_time_beyond_the_steps_alone() -> None:
    assert cost([50.0, 100.0, 200.0], [100.0, 100.0, 100.0]) == [100.0, 0.0, -50.0]
