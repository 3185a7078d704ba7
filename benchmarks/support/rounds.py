"""Contenders in turn, round after round, and what their slices come to beside the first one's."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, Self

FULL = 0.6  # of a slice's seconds that must have gone by when it ends


class Timed(Protocol):
    """What one slice gives: see :class:`benchmarks.peers.Slice`."""

    loss: float
    steps: int
    seconds: float
    beginning: float
    computed: Mapping[str, float]


class Trains(Protocol):
    """A worker, as far as it is needed here."""

    def last(self, epochs: int, seconds: float) -> Timed:
        """So many epochs again and again until ``seconds`` have gone by."""


@dataclass
class Line:
    """One line of the table. ``rates``: steps per second, a number per round; ``note`` stands in their place.
    ``computed``: what the training thread computed for, in seconds of every round, where that is known."""

    title: str
    threads: str = ""
    rates: list[float] = field(default_factory=list)
    beginning: float = 0.0  # seconds before the steps that are timed, the median of the rounds
    note: str = ""
    memory: float = 0.0  # MB that its process held at its peak
    computed: list[Mapping[str, float]] = field(default_factory=list)

    @classmethod
    def of(cls, title: str, threads: str, slices: Sequence[Timed], memory: float) -> Self:
        """From the slices of all rounds."""
        rates = [own.steps / own.seconds for own in slices]
        computed = [own.computed for own in slices if own.computed]
        beginning = statistics.median(own.beginning for own in slices)
        return cls(title, threads, rates, beginning, memory=memory, computed=computed)

    def ratios(self, plain: Line) -> list[float]:
        """Steps per second over those of ``plain`` in the same round."""
        return [own / other for own, other in zip(self.rates, plain.rates, strict=True)]


def table(lines: Sequence[Line], plain: Line) -> str:
    """The lines as text: lowest, median and highest of the ratios, the median of the rates, the peak of memory."""
    width = max(len(line.title) for line in lines)
    text = [
        f"{'':{width}}  {'threads':>7} {'min':>6} {'median':>6} {'max':>6} {'steps/s':>8} {'begins, s':>9} {'MB':>6}"
    ]
    for line in lines:
        if line.note:
            text.append(f"{line.title:{width}}  {line.note}")
            continue
        found = line.ratios(plain)
        numbers = " ".join(f"{value:6.2f}" for value in (min(found), statistics.median(found), max(found)))
        rate, begins = statistics.median(line.rates), f"{line.beginning:.2f}" if line.beginning else "-"
        memory = f"{line.memory:,.0f}" if line.memory else "-"
        text.append(f"{line.title:{width}}  {line.threads:>7} {numbers} {rate:8,.1f} {begins:>9} {memory:>6}")
    return "\n".join(text)


def as_json(line: Line, plain: Line) -> dict[str, object]:
    """The same numbers, every round of them."""
    body: dict[str, object] = {"name": line.title, "threads": line.threads, "note": line.note}
    if line.note:
        return body
    found = line.ratios(plain)
    summary = {"min": min(found), "p50": statistics.median(found), "max": max(found)}
    told = {"ratios": found, "steps per second": line.rates, "beginning": line.beginning, "peak MB": line.memory}
    return body | summary | told


def epochs_for(rate: float, steps_per_epoch: int, seconds: float, most: int) -> int:
    """Epochs of one slice at ``rate`` steps per second: 1 to ``most``."""
    return max(1, min(most, round(rate * seconds / steps_per_epoch)))


def interleaved(
    workers: Mapping[str, Trains], epochs: Mapping[str, int], rounds: int, seconds: float
) -> dict[str, list[Timed]]:
    """The slices of every worker, one per round. One works at a time; the order is reversed in every other round.

    Prints every round's ratios to the first worker.
    """
    found: dict[str, list[Timed]] = {key: [] for key in workers}
    for number in range(rounds):
        for key in list(workers) if number % 2 == 0 else list(workers)[::-1]:
            found[key].append(workers[key].last(epochs[key], FULL * seconds))
        rates = {key: slices[-1].steps / slices[-1].seconds for key, slices in found.items()}
        plain = next(iter(rates.values()))
        told = ", ".join(f"{key} {rate / plain:.2f}" for key, rate in rates.items())
        print(f"  round {number + 1} of {rounds}: {told} of {plain:,.1f} steps/s", flush=True)
    return found
