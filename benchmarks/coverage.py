"""How often the confidence interval of a gain holds the true gain, in simulated runs.

``python -m benchmarks.coverage`` takes some ten minutes and writes the table into docs/intervals.md.

Student and baseline classify an example correctly where a normal variable is positive: the sum of a mean for the
network, the example's difficulty, how much the method changes it, the quality of the seed, what the teacher adds with
this seed, and noise of every network and example. So the true accuracy is known exactly. Some worlds are at an edge: in
one all seeds give the same networks, which makes every interval over seeds a point; in one the seeds differ far more
than the examples do.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

from kd_core.analysis.intervals import Estimate
from tools.docs import DOCS, with_block

SEEDS = (2, 3, 5, 10)
EXAMPLES = (6, 20, 100, 500, 10_000)
EXPERIMENTS = 4000  # a fraction of 0.95 has a standard error of 0.35 % then
BATCH = 2_000_000  # examples simulated at once


@dataclass(frozen=True)
class World:
    """Accuracies of the networks, and standard deviations of what changes whether an example is classified correctly.

    Attributes:
        student: True accuracy of the student.
        baseline: True accuracy of the baseline.
        difficulty: Of the examples, for both networks.
        method: Of the examples, for the student alone.
        seed: Of the seeds, for both networks.
        teacher: Of the seeds, for the student alone.
        is_repeated: Whether all seeds have the same noise, and so the same networks.
    """

    student: float
    baseline: float
    difficulty: float = 1.5
    method: float = 0.5
    seed: float = 0.2
    teacher: float = 0.2
    is_repeated: bool = False

    @property
    def gain(self) -> float:
        return self.student - self.baseline

    def draw(
        self, random: np.random.Generator, experiments: int, seeds: int, examples: int
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return which examples student and baseline classify correctly, each (experiments, seeds, examples)."""

        def normal(deviation: float, *shape: int) -> NDArray[np.float32]:
            return deviation * random.standard_normal((experiments, *shape), dtype=np.float32)

        noise = 1 if self.is_repeated else seeds
        shared = normal(self.difficulty, 1, examples) + normal(self.seed, seeds, 1)
        variance = 1 + self.difficulty**2 + self.seed**2
        baseline = shared + normal(1, noise, examples) > -ndtri(self.baseline) * math.sqrt(variance)
        shared = shared + normal(self.method, 1, examples) + normal(self.teacher, seeds, 1)
        variance += self.method**2 + self.teacher**2
        student = shared + normal(1, noise, examples) > -ndtri(self.student) * math.sqrt(variance)
        return student, baseline


WORLDS = {
    "no gain, 85 %": World(0.85, 0.85),
    "+5 points from 80 %": World(0.85, 0.80),
    "no gain, 98 %": World(0.98, 0.98),
    "+0.5 points from 98 %": World(0.985, 0.98),
    "+40 points from 40 %": World(0.80, 0.40, method=1.0),
    "no gain, all seeds equal": World(0.90, 0.90, seed=0, teacher=0, is_repeated=True),
    "+2 points, all seeds equal": World(0.92, 0.90, seed=0, teacher=0, is_repeated=True),
    "no gain, seeds differ much": World(0.85, 0.85, seed=0.5, teacher=0.6),
}


def coverage(
    world: World, seeds: int, examples: int, experiments: int = EXPERIMENTS, entropy: int = 0
) -> tuple[float, float, float]:
    """Return how often the 95 % interval holds the true gain, how often Student's t over the seeds does, and the mean
    width of the first in points."""
    random = np.random.default_rng((entropy, seeds, examples))
    held, held_by_t, width, done = 0, 0, 0.0, 0
    t = -stdtrit(seeds - 1, 0.025)
    while done < experiments:
        count = min(experiments - done, max(1, BATCH // (seeds * examples)))
        student, baseline = world.draw(random, count, seeds, examples)
        difference = student.astype(np.int8) - baseline.astype(np.int8)
        squares = (difference.mean(1, dtype=np.float32) ** 2).mean(1)
        for values, square in zip(difference.mean(2, dtype=np.float64).tolist(), squares.tolist(), strict=True):
            estimate = Estimate(tuple(values), square, examples, (-1.0, 1.0))
            interval = estimate.interval()
            assert interval is not None
            held += interval[0] <= world.gain <= interval[1]
            held_by_t += abs(estimate.mean - world.gain) <= t * estimate.seeds_error + 1e-12
            width += interval[1] - interval[0]
        done += count
    return held / experiments, held_by_t / experiments, 100 * width / experiments


def table() -> list[str]:
    """Return the lines of the table, one per world and number of seeds."""
    lines = [
        "| simulated runs | seeds | " + " | ".join(f"{count:,}" for count in EXAMPLES) + " |",
        "|---|---:|" + "---|" * len(EXAMPLES),
    ]
    for name, world in WORLDS.items():
        for seeds in SEEDS:
            cells = [_cell(*coverage(world, seeds, examples)) for examples in EXAMPLES]
            lines.append(f"| {name} | {seeds} | {' | '.join(cells)} |")
            print(lines[-1], flush=True)
    return lines


def _cell(held: float, held_by_t: float, width: float) -> str:
    return f"**{100 * held:.1f}** ({100 * held_by_t:.0f}), ±{width / 2:.1f}"


def main() -> None:
    """Simulate all worlds and write the table."""
    page = DOCS / "intervals.md"
    text = with_block(page.read_text(encoding="utf-8"), "coverage", "\n".join(table()))
    page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
