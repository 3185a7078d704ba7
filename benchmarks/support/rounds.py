"""Interleaved rounds of contenders, and their speed relative to the first one."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, Self

MIN_FRACTION = 0.6  # of a slice's seconds that it must last


class Timed(Protocol):
    """Timing of one slice, as in :class:`benchmarks.peers.Slice`."""

    loss: float
    steps: int
    seconds: float
    beginning: float
    computed: Mapping[str, float]


class Trains(Protocol):
    """The part of a worker that is used here."""

    def last(self, epochs: int, seconds: float) -> Timed:
        """Repeat so many epochs until ``seconds`` have passed."""


@dataclass
class Line:
    """One line of the table.

    ``rates`` are steps per second of each round, or ``note`` takes their place; ``computed`` are processor seconds of
    the training thread by purpose in each round, if known.
    """

    title: str
    threads: str = ""
    rates: list[float] = field(default_factory=list)
    beginning: float = 0.0  # seconds before the timed steps, median over rounds
    note: str = ""
    memory: float = 0.0  # peak of its process in MB
    computed: list[Mapping[str, float]] = field(default_factory=list)

    @classmethod
    def of(cls, title: str, threads: str, slices: Sequence[Timed], memory: float) -> Self:
        """Return the line of the slices of all rounds."""
        rates = [timed.steps / timed.seconds for timed in slices]
        computed = [timed.computed for timed in slices if timed.computed]
        beginning = statistics.median(timed.beginning for timed in slices)
        return cls(title, threads, rates, beginning, memory=memory, computed=computed)

    def ratios(self, plain: Line) -> list[float]:
        """Return steps per second over those of ``plain`` in the same round."""
        return [rate / plain_rate for rate, plain_rate in zip(self.rates, plain.rates, strict=True)]


def table(lines: Sequence[Line], plain: Line) -> str:
    """Return the lines as text with minimum, median and maximum ratio, median rate and peak memory."""
    width = max(len(line.title) for line in lines)
    text = [
        f"{'':{width}}  {'threads':>7} {'min':>6} {'median':>6} {'max':>6} {'steps/s':>8} {'begins, s':>9} {'MB':>6}"
    ]
    for line in lines:
        if line.note:
            text.append(f"{line.title:{width}}  {line.note}")
            continue
        ratios = line.ratios(plain)
        numbers = " ".join(f"{value:6.2f}" for value in (min(ratios), statistics.median(ratios), max(ratios)))
        rate, begins = statistics.median(line.rates), f"{line.beginning:.2f}" if line.beginning else "-"
        memory = f"{line.memory:,.0f}" if line.memory else "-"
        text.append(f"{line.title:{width}}  {line.threads:>7} {numbers} {rate:8,.1f} {begins:>9} {memory:>6}")
    return "\n".join(text)


def as_json(line: Line, plain: Line) -> dict[str, object]:
    """Return the numbers of the line, with those of every round."""
    body: dict[str, object] = {"name": line.title, "threads": line.threads, "note": line.note}
    if line.note:
        return body
    ratios = line.ratios(plain)
    summary = {"min": min(ratios), "p50": statistics.median(ratios), "max": max(ratios)}
    details = {"ratios": ratios, "steps per second": line.rates, "beginning": line.beginning, "peak MB": line.memory}
    return body | summary | details


def epochs_for(rate: float, steps_per_epoch: int, seconds: float, most: int) -> int:
    """Return the epochs of one slice at ``rate`` steps per second, from 1 to ``most``."""
    return max(1, min(most, round(rate * seconds / steps_per_epoch)))


def interleaved(
    workers: Mapping[str, Trains], epochs: Mapping[str, int], rounds: int, seconds: float
) -> dict[str, list[Timed]]:
    """Return the slices of every worker, one per round, and print each round's ratios to the first worker.

    One worker runs at a time; the order is reversed in every other round.
    """
    slices: dict[str, list[Timed]] = {key: [] for key in workers}
    for number in range(rounds):
        for key in list(workers) if number % 2 == 0 else list(workers)[::-1]:
            slices[key].append(workers[key].last(epochs[key], MIN_FRACTION * seconds))
        rates = {key: timed[-1].steps / timed[-1].seconds for key, timed in slices.items()}
        plain = next(iter(rates.values()))
        ratios = ", ".join(f"{key} {rate / plain:.2f}" for key, rate in rates.items())
        print(f"  round {number + 1} of {rounds}: {ratios} of {plain:,.1f} steps/s", flush=True)
    return slices
