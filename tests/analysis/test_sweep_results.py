"""Results of a sweep, compared with numbers worked out by hand and with the stored events."""

from __future__ import annotations

import statistics

import pytest

from kd_core.analysis import sweep_results
from kd_core.analysis.sweep_results import SweepResults
from kd_core.config.run import RunConfig
from kd_core.config.sweep import Axis, Sweep
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
    assert results.shape == (2, 3)
    assert results.at(1, 0).values == ("8", "0.9")
    assert results.at(0, 2).values == ("4", "0.3")
    assert [cell.values for cell in results.along(0, results.at(1, 1))] == [("8", "0.9"), ("2", "0.9"), ("4", "0.9")]
    assert [cell.values for cell in results.along(1, results.at(1, 1))] == [("2", "0.3"), ("2", "0.9")]


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
    results: SweepResults = sweep_results.collect_results(sweep, evaluations)
    assert results.complete == 6
