"""Grid of the results of a sweep with mean, spread and best cell.

All accuracies are of the validation set, since a cell is chosen by them; the test set is not read.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from kd_core.config.sweep import Sweep
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
    def shape(self) -> tuple[int, int]:
        """Rows (values of the second axis) and columns (of the first); 1 for a missing axis."""
        counts = [len(axis.values) for axis in self.sweep.axes]
        return (counts[1] if len(counts) > 1 else 1), (counts[0] if counts else 1)

    def at(self, row: int, column: int) -> Cell:
        """Return the cell in a row (second axis) and a column (first axis)."""
        return self.cells[column * self.shape[0] + row]

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
