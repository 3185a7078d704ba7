"""Results of a sweep, compared with numbers worked out by hand and with the stored events."""

from __future__ import annotations

import base64
import statistics
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from kd_core.analysis import sweep_results
from kd_core.analysis.sweep_results import CorrectedGain, SweepResults
from kd_core.base.metrics import pack_mask
from kd_core.config.run import RunConfig
from kd_core.config.sweep import Axis, Sweep
from kd_core.datasets import load
from kd_core.runs.manager import RunManager
from kd_core.store.queries import RunQueries
from kd_core.store.records import LatestEvaluation
from tools.testing.waiting import wait_for_end

GRID = (Axis("temperature", ("8", "2", "4")), Axis("alpha", ("0.3", "0.9")))


def filled(config: RunConfig, *accuracies: tuple[float | None, float | None], seeds: int = 2, state: str = "completed"):
    sweep = Sweep(config, GRID, tuple(range(seeds)))
    pairs = [*accuracies, *[(None, None)] * (sweep.count - len(accuracies))]
    evaluations = [
        LatestEvaluation(f"r{number}", number % seeds, state, *pair, epoch=number) for number, pair in enumerate(pairs)
    ]
    return sweep_results.collect_results(sweep, evaluations)


def test_a_cell_has_the_mean_of_its_seeds_and_the_paired_gain(small: RunConfig) -> None:
    cell = filled(small, (0.8, 0.7), (0.9, 0.85)).cells[0]
    assert cell.values == ("8", "0.3")
    assert cell.mean == pytest.approx(85)
    assert cell.gains == pytest.approx([10, 5])
    assert cell.gain == pytest.approx(7.5)
    assert cell.control == pytest.approx(77.5)


def test_rows_and_columns_have_the_order_of_the_values(small: RunConfig) -> None:
    results = filled(small)
    assert results.shape == (2, 3, 1)
    assert results.at(1, 0).values == ("8", "0.9")
    assert results.at(0, 2).values == ("4", "0.3")
    assert [cell.values for cell in results.along(0, results.at(1, 1))] == [("8", "0.9"), ("2", "0.9"), ("4", "0.9")]
    assert [cell.values for cell in results.along(1, results.at(1, 1))] == [("2", "0.3"), ("2", "0.9")]


def test_a_third_axis_has_one_map_per_value(small: RunConfig) -> None:
    sweep = Sweep(small, (*GRID, Axis("epochs", ("2", "3"))))
    evaluations = [LatestEvaluation(f"r{number}", 0, "completed") for number in range(sweep.count)]
    results = sweep_results.collect_results(sweep, evaluations)
    assert results.shape == (2, 3, 2)
    assert results.at(1, 2, 0).values == ("4", "0.9", "2")
    assert results.at(0, 1, 1).values == ("2", "0.3", "3")
    cells = {results.at(row, column, number) for row in range(2) for column in range(3) for number in range(2)}
    assert cells == set(results.cells)


def test_p_values_are_corrected_by_the_example_of_holm() -> None:
    # Wikipedia, "Holm–Bonferroni method", example: adjusted 0.03, 0.06, 0.06, 0.02.
    p_values = [0.01, 0.04, 0.03, 0.005]
    adjusted = [p * factor for p, factor in zip(p_values, sweep_results.holm_factors(p_values), strict=True)]
    assert adjusted == pytest.approx([0.03, 0.06, 0.06, 0.02])


@given(st.lists(st.floats(1e-12, 1), min_size=1, max_size=30))
def test_a_corrected_p_value_is_significant_exactly_where_holms_steps_reject(p_values: list[float]) -> None:
    factors = sweep_results.holm_factors(p_values)
    rejected = set()
    for rank, position in enumerate(sorted(range(len(p_values)), key=lambda position: p_values[position])):
        if p_values[position] > 0.05 / (len(p_values) - rank):
            break
        rejected.add(position)
    for position, (p_value, factor) in enumerate(zip(p_values, factors, strict=True)):
        assert 1 - 1e-9 <= factor <= len(p_values) + 1e-9
        if abs(p_value * factor - 0.05) > 1e-9:
            assert (p_value * factor < 0.05) == (position in rejected)


def test_a_corrected_interval_excludes_zero_exactly_where_the_corrected_p_value_is_significant(
    small: RunConfig,
) -> None:
    pairs = [(0.5 + gain / 100 + noise, 0.5) for gain in (0, 6, 8, 10, 15, 30) for noise in (-0.01, 0, 0.005, 0.01)]
    results = filled(small, *pairs, seeds=4)
    gains = sweep_results.corrected_gains(results)
    assert len({gain.p_value < 0.05 for gain in gains}) == 2
    for gain, cell in zip(gains, results.cells, strict=True):
        assert gain.mean == pytest.approx(cell.gain)
        assert (gain.interval[0] > 0 or gain.interval[1] < 0) == (gain.p_value < 0.05)
    alone = filled(small, *pairs[16:20], seeds=4)
    (single, *others) = sweep_results.corrected_gains(alone)
    assert others == [None] * 5
    assert single.interval[0] > gains[4].interval[0]  # of one comparison, so not corrected


def test_an_interval_is_paired_where_all_runs_say_which_examples_were_right(small: RunConfig) -> None:
    """Students that are right wherever their control is, and on a few examples more."""
    size = len(load(small.dataset).validation.labels)
    right = [torch.arange(size) < count for count in (60, 70, 72)]
    pairs = [(right[1], right[0]), (right[2], right[0])]
    wide = filled(small, *[(pair[0].double().mean().item(), pair[1].double().mean().item()) for pair in pairs])
    masks = [tuple(map(pack_mask, pair)) for pair in pairs]

    def gain(*seeds: int) -> CorrectedGain:
        cell = wide.cells[0]
        evaluations = [
            replace(each, correct=masks[seed][0], control_correct=masks[seed][1]) if seed in seeds else each
            for seed, each in enumerate(cell.evaluations)
        ]
        cells = (replace(cell, evaluations=tuple(evaluations)), *wide.cells[1:])
        return sweep_results.corrected_gains(replace(wide, cells=cells))[0]

    (low, high), (paired_low, paired_high) = gain().interval, gain(0, 1).interval
    assert low < paired_low < gain().mean < paired_high < high
    assert paired_high - paired_low < 0.7 * (high - low)
    assert gain(0).interval == (low, high)  # one run does not say so
    assert gain(0, 1).p_value < gain().p_value


def test_one_seed_has_a_gain_without_interval(small: RunConfig) -> None:
    gain = sweep_results.corrected_gains(filled(small, (0.8, 0.7), seeds=1))[0]
    assert (gain.mean, gain.interval, gain.p_value) == (pytest.approx(10), None, None)


def test_the_best_cell_is_among_those_with_the_most_seeds_and_the_first_of_equals(small: RunConfig) -> None:
    one_seed = (0.99, 0.5), (None, None)
    results = filled(small, *one_seed, (0.6, 0.5), (0.8, 0.5), (0.7, 0.5), (0.7, 0.5))
    assert results.best is results.cells[1]
    assert results.best.mean == pytest.approx(70)
    assert filled(small).best is None
    assert (results.filled, filled(small).filled) == (3, 0)


def test_failed_runs_count_as_failed_alone(small: RunConfig) -> None:
    results = filled(small, (0.1, 0.1), (0.1, 0.1), state="failed")
    assert results.cells[0].mean is None
    assert results.best is None
    assert (results.cells[0].failed, results.complete) == (2, 0)


def test_the_spread_is_the_standard_deviation_of_three_and_half_the_range_of_two() -> None:
    numbers = [80.0, 82.0, 87.0]
    assert sweep_results.spread(numbers) == pytest.approx(statistics.pstdev(numbers) * (3 / 2) ** 0.5)
    assert sweep_results.spread([80.0, 83.0]) == pytest.approx(1.5)
    assert sweep_results.spread([80.0]) is None


def test_the_remaining_time_is_at_the_average_pace() -> None:
    assert sweep_results.remaining(25, 100, 10.0) == pytest.approx(30)
    assert sweep_results.remaining(0, 100, 10.0) is None


def test_a_sweep_with_runs_missing_is_refused_with_both_numbers(small: RunConfig) -> None:
    sweep = Sweep(small, GRID, (0, 1))
    with pytest.raises(ValueError, match="has 12 runs, and 1 of them"):
        sweep_results.collect_results(sweep, [LatestEvaluation("a", 0, "completed")])


def test_the_latest_evaluation_of_every_run_is_read(runs: RunManager, small: RunConfig) -> None:
    sweep = Sweep(small, GRID, (0, 1))
    name = runs.start_sweep(sweep)
    assert wait_for_end(runs, name) == "completed"
    evaluations = RunQueries(runs.store).latest_evaluations(name, "student", "baseline")
    members = runs.store.members(name)
    assert [each.run for each in evaluations] == [member.id for member in members]
    for each in (evaluations[0], evaluations[-1]):
        last = [event for _, event in runs.store.events(each.run, kinds=["validated"])][-1]
        assert (each.accuracy, each.control) == (last.accuracy["student"], last.accuracy["baseline"])
        assert each.epoch == last.epoch == 6
        size = len(load(small.dataset).validation.labels)
        for text, accuracy in ((each.correct, each.accuracy), (each.control_correct, each.control)):
            bits = np.unpackbits(np.frombuffer(base64.b64decode(text), np.uint8), count=size)
            assert bits.mean() == pytest.approx(accuracy)
    results: SweepResults = sweep_results.collect_results(sweep, evaluations)
    assert results.complete == 6
