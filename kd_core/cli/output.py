"""Progress lines, tables and the events of a run, for a terminal or a pipe."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterable, Mapping, Sequence

from kd_core.analysis.verdict import FAILED, count_skipped, recall_table, skipped_sentence, verdict
from kd_core.base import registry
from kd_core.base.events import (
    Event,
    Failed,
    Finished,
    PhaseInfo,
    Prepared,
    Skipped,
    Step,
    Switched,
    Validated,
    to_json,
)
from kd_core.base.marks import percent
from kd_core.config.comparison import TestMetrics
from kd_core.config.run import RunConfig
from kd_core.files.archive import format_bytes
from kd_core.schemes import comparison_of

DRAW_SECONDS = 0.1  # between two progress lines of steps


class ProgressLine:
    """A line that a terminal writes over; where there is no terminal, lines that are final."""

    def __init__(self) -> None:
        self.text = ""

    def show(self, text: str, *, is_final: bool = True) -> None:
        """Print a text in place of the one before. Without a terminal, text that is not final is left out."""
        if sys.stdout.isatty():
            text = text[: shutil.get_terminal_size().columns - 1]  # a line that wraps cannot be written over
        if text == self.text:
            return
        if sys.stdout.isatty():
            print(f"\r{text:<{len(self.text)}}", end="", flush=True)
        elif is_final:
            print(text, flush=True)
        self.text = text

    def end(self) -> None:
        """Go on below the line."""
        if self.text and sys.stdout.isatty():
            print()
        self.text = ""

    def download(self, name: str, done: int, total: int) -> None:
        """Show how much of a file has arrived, in bytes; ``total`` is 0 if it is not known."""
        part = f"{percent(done / total, 0)} of {format_bytes(total)}" if total else format_bytes(done)
        self.show(f"{name}: {part}", is_final=done >= total > 0)


class EventPrinter:
    """Prints the events of one run, as lines of JSON or in words; the result alone if ``quiet``."""

    def __init__(self, config: RunConfig, *, as_json: bool, quiet: bool, prepared: Prepared | None = None) -> None:
        self.comparison = comparison_of(config)
        self.as_json, self.quiet = as_json, quiet
        self.outcome = ""
        self._evaluations_and_skips: list[Event] = []
        self._line = ProgressLine()
        self._phases: list[PhaseInfo] = prepared.phases if prepared else []
        self._classes: list[str] = prepared.classes if prepared else []
        self._begun, self._drawn, self._first_step = time.monotonic(), 0.0, -1

    def print(self, event: Event) -> None:
        """Print one event."""
        if isinstance(event, Prepared):
            self._phases, self._classes = event.phases, event.classes
        if isinstance(event, Skipped | Validated):
            self._evaluations_and_skips.append(event)
        if isinstance(event, Finished):
            self.outcome = event.outcome
        if self.as_json:
            print(to_json(event), flush=True)
        elif isinstance(event, Finished):
            self._line.end()
            self._print_result(event)
        elif not self.quiet:
            self._print_progress(event)
        if isinstance(event, Failed):
            self._line.end()
            print(event.message, file=sys.stderr)

    def _print_result(self, event: Finished) -> None:
        if event.outcome == "failed":
            print(FAILED.sentence, flush=True)
            return
        print(f"Test {self.comparison.score}: {percentages(event.test_accuracy)}.")
        print_recalls(event.test, self._classes)
        print(verdict([event.test], self.comparison).sentence, flush=True)
        if skipped := skipped_sentence(count_skipped(self._evaluations_and_skips)):
            print(skipped, flush=True)

    def _print_progress(self, event: Event) -> None:
        if isinstance(event, Step) and time.monotonic() - self._drawn > DRAW_SECONDS:
            self._drawn = time.monotonic()
            losses = ", ".join(f"{role} {loss:.3f}" for role, loss in event.loss.items())
            self._line.show(f"{self._position(event)}: loss {losses}", is_final=False)
        elif isinstance(event, Validated):
            self._line.show(
                f"{self._position(event)}: validation {self.comparison.validation_score} {percentages(event.accuracy)}"
            )
        elif isinstance(event, Switched):
            self._line.end()
            print(f"{event.phase}: {event.path} steps from step {event.step + 1:,}", flush=True)

    def _position(self, event: Step | Validated) -> str:
        place = f"{event.phase}, epoch {event.epoch}"
        total = sum(phase.epochs * phase.steps_per_epoch for phase in self._phases)
        if not sys.stdout.isatty() or not total:
            return place
        names = [phase.name for phase in self._phases]
        before = self._phases[: names.index(event.phase)] if event.phase in names else []
        done = sum(phase.epochs * phase.steps_per_epoch for phase in before) + event.step
        if self._first_step < 0:
            self._first_step, self._begun = done, time.monotonic()
        taken, seconds = done - self._first_step, time.monotonic() - self._begun
        left = f", {duration(seconds / taken * (total - done))} left" if taken else ""
        return f"{percent(done / total, 0):>5}{left}  {place}"


def percentages(accuracies: Mapping[str, float]) -> str:
    """Return fractions by role as text such as "student 80.0 %, baseline 78.1 %"."""
    return ", ".join(f"{role} {percent(accuracy)}" for role, accuracy in accuracies.items())


def duration(seconds: float) -> str:
    """Return seconds as "42 s", "3 min" or "2 h 5 min"."""
    minutes = round(seconds / 60)
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return rows of text in columns; the last column is not padded."""
    cells = [list(header), *(list(row) for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    lines = ("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells)
    return "\n".join(lines)


def print_recalls(test: TestMetrics, classes: Sequence[str]) -> None:
    """Print the recall of every class where the classes differ much in size."""
    by_class = recall_table(test, classes)
    if by_class:
        tested = [role for role in test if "recalls" in test[role]]
        rows = [[name, *(percent(recalls[role]) for role in tested)] for name, recalls in by_class.items()]
        print(table(["recall of class", *tested], rows))


def print_problems() -> None:
    """Print on stderr what is wrong with plug-ins; the others work."""
    for sentence in registry.problems() if hasattr(registry, "problems") else ():
        print(sentence, file=sys.stderr)
