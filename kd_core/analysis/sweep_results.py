"""Grid of the results of a sweep with mean, spread, best cell, and gains corrected for the number of cells.

All accuracies are of the validation set, since a cell is chosen by them; the test set is not read.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from kd_core.analysis.intervals import LEVEL, Estimate, estimate_gain
from kd_core.config.comparison import STUDENT_OVER_BASELINE
from kd_core.config.sweep import Sweep
from kd_core.datasets import load
from kd_core.store.records import COMPLETED, FAILED, LatestEvaluation


@dataclass(frozen=True)
class Cell:
    """One combination of values with the latest evaluation of its runs, one per seed.

    Failed runs count in :attr:`failed` alone.
    """

    values: tuple[str, ...]
    evaluations: tuple[LatestEvaluation, ...] = field(default=())

    @property
    def evaluated(self) -> list[LatestEvaluation]:
        """The evaluations with an accuracy."""
        return [each for each in self.evaluations if each.accuracy is not None and each.state != FAILED]

    @property
    def accuracies(self) -> list[float]:
        """Validation accuracies in per cent, one per seed."""
        return [100 * each.accuracy for each in self.evaluated if each.accuracy is not None]

    @property
    def controls(self) -> list[float]:
        """Validation accuracies of the control in per cent."""
        return [100 * each.control for each in self.evaluated if each.control is not None]

    @property
    def gains(self) -> list[float]:
        """Points over the control of the same seed."""
        pairs = ((each.accuracy, each.control) for each in self.evaluated)
        return [100 * (student - control) for student, control in pairs if student is not None and control is not None]

    @property
    def mean(self) -> float | None:
        return statistics.fmean(self.accuracies) if self.evaluated else None

    @property
    def gain(self) -> float | None:
        return statistics.fmean(self.gains) if self.gains else None

    @property
    def control(self) -> float | None:
        return statistics.fmean(self.controls) if self.controls else None

    @property
    def failed(self) -> int:
        return sum(each.state == FAILED for each in self.evaluations)

    @property
    def is_complete(self) -> bool:
        """Whether every run is completed."""
        return all(each.state == COMPLETED for each in self.evaluations)

    @property
    def epochs(self) -> tuple[int, int]:
        """Fewest and most epochs of its evaluations."""
        epochs = [each.epoch for each in self.evaluated] or [0]
        return min(epochs), max(epochs)


@dataclass(frozen=True)
class SweepResults:
    """All cells of a sweep in its order, in which the last axis changes fastest."""

    sweep: Sweep
    cells: tuple[Cell, ...]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Rows (values of the second axis), columns (of the first) and maps (of the third); 1 for a missing axis."""
        columns, rows, maps = (*(len(axis.values) for axis in self.sweep.axes), 1, 1, 1)[:3]
        return rows, columns, maps

    def at(self, row: int, column: int, number: int = 0) -> Cell:
        """Return the cell in a row (second axis), a column (first axis) and a map (third axis)."""
        rows, _, maps = self.shape
        return self.cells[(column * rows + row) * maps + number]

    def find(self, values: Sequence[str]) -> Cell | None:
        """Return the cell of these values; None if there is none."""
        return next((cell for cell in self.cells if cell.values == tuple(values)), None)

    @property
    def best(self) -> Cell | None:
        """The cell of the highest mean among those with the most evaluated seeds; the first of equals."""
        most = max((len(cell.evaluated) for cell in self.cells), default=0)
        candidates = [cell for cell in self.cells if cell.evaluated and len(cell.evaluated) == most]
        return max(candidates, key=lambda cell: statistics.fmean(cell.accuracies), default=None)

    @property
    def filled(self) -> int:
        """Number of cells with an evaluation."""
        return sum(bool(cell.evaluated) for cell in self.cells)

    @property
    def complete(self) -> int:
        """Number of cells whose runs are all completed."""
        return sum(cell.is_complete for cell in self.cells)

    @property
    def failed(self) -> int:
        """Number of failed runs."""
        return sum(cell.failed for cell in self.cells)

    @property
    def epochs(self) -> tuple[int, int]:
        """Fewest and most epochs of the latest evaluation of any run."""
        spans = [cell.epochs for cell in self.cells if cell.evaluated] or [(0, 0)]
        return min(low for low, _ in spans), max(high for _, high in spans)

    def along(self, axis: int, cell: Cell) -> list[Cell]:
        """Return the cells that differ from a cell at most in the value of this axis, in its order."""
        return [
            other
            for other in self.cells
            if all(other.values[at] == value for at, value in enumerate(cell.values) if at != axis)
        ]


@dataclass(frozen=True)
class CorrectedGain:
    """Gain of a cell over its control on the validation set, corrected for the number of cells (Holm 1979).

    Attributes:
        mean: In points (1 point = 1 %).
        interval: Excludes zero exactly where ``p_value`` is below 0.05; None for one seed.
        p_value: Two-sided, of no gain; None for one seed.
    """

    mean: float
    interval: tuple[float, float] | None
    p_value: float | None


def corrected_gains(results: SweepResults) -> list[CorrectedGain | None]:
    """Return the gain of every cell; None for one without a run that has a control.

    Runs that were stopped, or stored by version 0.1, do not say which examples were right. Then the interval takes the
    errors of student and control as independent and is rather too wide.
    """
    sizes = _validation_sizes(results.sweep)
    estimates = [_estimate(cell, size) for cell, size in zip(results.cells, sizes, strict=True)]
    p_values = [None if estimate is None else estimate.p_value for estimate in estimates]
    factors = iter(holm_factors([p_value for p_value in p_values if p_value is not None]))
    gains: list[CorrectedGain | None] = []
    for estimate, p_value in zip(estimates, p_values, strict=True):
        if estimate is None or p_value is None:
            gains.append(None if estimate is None else CorrectedGain(100 * estimate.mean, None, None))
            continue
        factor = next(factors)
        low, high = estimate.interval(1 - (1 - LEVEL) / factor) or (0.0, 0.0)
        gains.append(CorrectedGain(100 * estimate.mean, (100 * low, 100 * high), min(1.0, factor * p_value)))
    return gains


def holm_factors(p_values: Sequence[float]) -> list[float]:
    """Return by how much Holm's step-down procedure multiplies each p-value, which is 1 to their number.

    Holm, "A simple sequentially rejective multiple test procedure" (1979). The product may exceed 1. Raises
    ZeroDivisionError for a p-value of 0.
    """
    factors, largest = [1.0] * len(p_values), 0.0
    for rank, position in enumerate(sorted(range(len(p_values)), key=lambda position: p_values[position])):
        largest = max(largest, (len(p_values) - rank) * p_values[position])
        factors[position] = largest / p_values[position]
    return factors


def _validation_sizes(sweep: Sweep) -> list[int]:
    """Return the number of validation examples of every cell."""
    if any(axis.option.startswith("dataset") for axis in sweep.axes):
        return [len(load(sweep.config(cell).dataset).validation.labels) for cell in sweep.cells]
    return [len(load(sweep.base.dataset).validation.labels)] * len(sweep.cells)


def _estimate(cell: Cell, examples: int) -> Estimate | None:
    roles = (STUDENT_OVER_BASELINE.role, STUDENT_OVER_BASELINE.control)
    metrics = [
        {
            role: {"accuracy": accuracy, "examples": examples, "correct": correct}
            for role, accuracy, correct in zip(
                roles, (each.accuracy, each.control), (each.correct, each.control_correct), strict=True
            )
        }
        for each in cell.evaluated
        if each.accuracy is not None and each.control is not None
    ]
    return estimate_gain(metrics, STUDENT_OVER_BASELINE) if metrics else None


def collect_results(sweep: Sweep, evaluations: Sequence[LatestEvaluation]) -> SweepResults:
    """Group the latest evaluations of the runs of a sweep, in its order, into cells.

    Raises ValueError unless there is one per run.
    """
    if len(evaluations) != sweep.count:
        raise ValueError(f"This sweep has {sweep.count:,} runs, and {len(evaluations):,} of them are stored.")
    seeds = len(sweep.seeds)
    groups = [evaluations[first : first + seeds] for first in range(0, len(evaluations), seeds)]
    cells = (Cell(tuple(values.values()), tuple(group)) for values, group in zip(sweep.cells, groups, strict=True))
    return SweepResults(sweep, tuple(cells))


def spread(numbers: Sequence[float]) -> float | None:
    """Return the standard deviation (n − 1) of three or more numbers, half the range of two, None of fewer."""
    if len(numbers) < 2:
        return None
    return statistics.stdev(numbers) if len(numbers) > 2 else (max(numbers) - min(numbers)) / 2


def remaining(done: int, total: int, seconds: float) -> float | None:
    """Return the remaining seconds at the average pace so far; None while nothing is done."""
    return seconds / done * (total - done) if done else None
