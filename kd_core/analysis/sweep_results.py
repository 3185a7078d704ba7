"""The map of a sweep: what every cell reached on the validation split, how much its seeds differ, and the best one.

Pure arithmetic on what was read from the store. The test split is not among it: a cell is chosen by validation.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from kd_core.config.sweep import Sweep
from kd_core.store.records import COMPLETED, FAILED, LatestEvaluation


@dataclass(frozen=True)
class Cell:
    """One combination of values with its runs, one per seed. Runs that failed count nowhere but in :attr:`failed`."""

    values: tuple[str, ...]
    looks: tuple[LatestEvaluation, ...] = field(default=())

    @property
    def evaluated(self) -> list[LatestEvaluation]:
        """The runs that something is known of."""
        return [look for look in self.looks if look.accuracy is not None and look.state != FAILED]

    @property
    def accuracies(self) -> list[float]:
        """Per cent of the validation split, one per seed."""
        return [100 * look.accuracy for look in self.evaluated if look.accuracy is not None]

    @property
    def controls(self) -> list[float]:
        """The same of the control."""
        return [100 * look.control for look in self.evaluated if look.control is not None]

    @property
    def gains(self) -> list[float]:
        """Points over the control of the same seed."""
        pairs = ((look.accuracy, look.control) for look in self.evaluated)
        return [100 * (own - other) for own, other in pairs if own is not None and other is not None]

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
        return sum(look.state == FAILED for look in self.looks)

    @property
    def is_complete(self) -> bool:
        """Every run has ended as it should."""
        return all(look.state == COMPLETED for look in self.looks)

    @property
    def epochs(self) -> tuple[int, int]:
        """Of the runs that something is known of: the fewest and the most epochs seen."""
        epochs = [look.epoch for look in self.evaluated] or [0]
        return min(epochs), max(epochs)


@dataclass(frozen=True)
class SweepResults:
    """All cells of a sweep, in its order: the last axis changes fastest."""

    sweep: Sweep
    cells: tuple[Cell, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns: values of the second axis and of the first one; 1 where there is none."""
        counts = [len(axis.values) for axis in self.sweep.axes]
        return (counts[1] if len(counts) > 1 else 1), (counts[0] if counts else 1)

    def at(self, row: int, column: int) -> Cell:
        """The cell in a row (second axis) and a column (first axis)."""
        return self.cells[column * self.shape[0] + row]

    def find(self, values: Sequence[str]) -> Cell | None:
        """The cell of these values; None if there is none."""
        return next((cell for cell in self.cells if cell.values == tuple(values)), None)

    @property
    def best(self) -> Cell | None:
        """The highest mean on validation among the cells of which the most seeds are known; the first of equals."""
        known = [cell for cell in self.cells if cell.evaluated]
        most = max((len(cell.evaluated) for cell in known), default=0)
        fullest = [cell for cell in known if len(cell.evaluated) == most]
        return max(fullest, key=lambda cell: statistics.fmean(cell.accuracies), default=None)

    @property
    def filled(self) -> int:
        """Cells of which something is known."""
        return sum(bool(cell.evaluated) for cell in self.cells)

    @property
    def complete(self) -> int:
        """Cells all of whose runs have ended as they should."""
        return sum(cell.is_complete for cell in self.cells)

    @property
    def failed(self) -> int:
        """Runs that failed."""
        return sum(cell.failed for cell in self.cells)

    @property
    def epochs(self) -> tuple[int, int]:
        """The fewest and the most epochs after which any run was last looked at."""
        known = [cell.epochs for cell in self.cells if cell.evaluated] or [(0, 0)]
        return min(low for low, _ in known), max(high for _, high in known)

    def along(self, axis: int, cell: Cell) -> list[Cell]:
        """The slice through a cell: the cells that differ from it at most in the value of this axis, in its order."""
        return [
            other
            for other in self.cells
            if all(
                own == here for at, (own, here) in enumerate(zip(other.values, cell.values, strict=True)) if at != axis
            )
        ]


def collect_results(sweep: Sweep, looks: Sequence[LatestEvaluation]) -> SweepResults:
    """The looks at the runs of a sweep, in its order, cell by cell. Raises ValueError unless there is one per run."""
    if len(looks) != sweep.count:
        raise ValueError(f"This sweep has {sweep.count:,} runs, and {len(looks):,} of them are stored.")
    seeds = len(sweep.seeds)
    groups = [looks[first : first + seeds] for first in range(0, len(looks), seeds)]
    cells = (Cell(tuple(own.values()), tuple(group)) for own, group in zip(sweep.cells, groups, strict=True))
    return SweepResults(sweep, tuple(cells))


def spread(numbers: Sequence[float]) -> float | None:
    """Standard deviation over seeds (n − 1) of three or more; half the range of two; None of fewer."""
    if len(numbers) < 2:
        return None
    return statistics.stdev(numbers) if len(numbers) > 2 else (max(numbers) - min(numbers)) / 2


def remaining(done: int, total: int, seconds: float) -> float | None:
    """Seconds left at the average pace so far; None while nothing is done."""
    return seconds / done * (total - done) if done else None
