"""Part of a run or sweep, and its training by a worker that reports several times a second.

A worker trains only while it is asked to: :meth:`PartTrainer.advance` returns after :data:`REPORT_SECONDS` with
everything that has happened, and the driver asks again.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from kd_core.base.events import Adjusted, Event, Finished, Switched
from kd_core.config.run import RunConfig
from kd_core.datasets import NotAvailableError
from kd_core.files.checkpoint import Checkpoint
from kd_core.runs.control import Control, Mode
from kd_core.runs.sweeps.pruning import decisive_phase, rungs_reached
from kd_core.runs.worker import weights_to_store
from kd_core.training.loop import GroupTrainer, Trainer
from kd_core.training.vectorized.pruned_group import PrunedGroupTrainer

REPORT_SECONDS = 0.25  # of training between two reports
Phases = dict[str, tuple[bytes, list[Event]]]  # trained phases that others share, as checkpoints and events, by key

DATA, CHECKPOINT, MEMORY, REFUSED = "data", "checkpoint", "memory", "refused"  # why a worker cannot train a part


@dataclass(frozen=True)
class Part:
    """What one worker trains.

    ``phases`` are the cache keys of phases that other parts share; a part that ``is_teacher`` trains nothing else.
    ``changes`` are those of live options and steps to repeat. Runs that ``are_judged`` may be ended early: each report
    ends at their first event and at those evaluations by which they are judged.
    """

    configs: Sequence[RunConfig]
    is_sweep: bool
    phases: frozenset[str] = frozenset()
    is_teacher: bool = False
    resume: bytes = b""  # a checkpoint
    changes: Sequence[Adjusted | Switched] = ()
    mode: Mode = field(default_factory=Mode)
    are_judged: bool = False


@dataclass
class Report:
    """What has happened since the last report.

    A ``checkpoint`` is the state after so many of the ``events``, which are (place of the run, event, weights to
    store). With a ``problem``, one of the constants of this module, the worker cannot train the part.
    """

    events: list[tuple[int, Event, dict[str, Tensor] | None]] = field(default_factory=list)
    position: tuple[int, int] = (0, 0)  # steps done, and of all runs
    checkpoint: tuple[int, bytes] | None = None
    is_over: bool = False
    has_phases: bool = False  # whether phases were trained that others may share
    problem: str = ""
    reason: str = ""  # a sentence


class PartTrainer:
    """Trainer of a part on a device, with the ``phases`` that were trained before."""

    def __init__(self, part: Part, device: str, phases: Phases) -> None:
        self.part, self.control = part, Control(part.mode)
        self._given = phases.keys()
        self._cache = {key: (Checkpoint.from_bytes(state), events) for key, (state, events) in phases.items()}
        state = Checkpoint.from_bytes(part.resume) if part.resume else None
        self.trainer: GroupTrainer
        if part.are_judged:
            self.trainer = PrunedGroupTrainer(part.configs, device=device, cache=self._cache, resume=state)
        elif part.is_sweep:
            self.trainer = GroupTrainer(part.configs, device=device, cache=self._cache, resume=state)
        else:
            self.trainer = Trainer(
                part.configs[0], device=device, cache=self._cache, adjustments=part.changes, resume=state
            )
        self._chunks = self.trainer.chunks()
        self._running = len(part.configs)
        self._is_stopping = False
        self._phases = [decisive_phase(config) for config in part.configs] if part.are_judged else []
        self._rungs = [-1] * len(self._phases)  # reached by each run; -1 before its first event here

    def advance(self, *, is_checkpoint_due: bool = False, condemned: Sequence[int] = ()) -> Report:
        """End the ``condemned`` runs, train for a moment, or wait while paused, and report."""
        if condemned:
            assert isinstance(self.trainer, PrunedGroupTrainer)
            self.trainer.prune(condemned)
        report, began, rungs = Report(), time.monotonic(), [*self._rungs]
        previous, is_interrupted = began, False
        while not report.is_over and not is_interrupted:
            self.trainer.live.request(self.control.hold(self.trainer.steps_per_epoch, _nothing))
            if self.control.was_paused:
                previous = time.monotonic()
            is_interrupted = self.control.mode.is_interrupted
            if self.control.mode.is_stopping and not self._is_stopping and self._running and not is_interrupted:
                self._is_stopping = True
                report.checkpoint = self._checkpoint(report)  # before the last events, so that it can be resumed
                self.trainer.stop()
            if is_interrupted:
                break
            self.trainer.chunk_seconds = self.control.chunk_seconds
            report.is_over = not self._take_chunk(report)
            now = time.monotonic()
            self.control.progress(self.trainer.position, now - previous)
            previous = now
            mode = self.control.requested_mode
            if now - began > REPORT_SECONDS or mode.is_held or mode.pace or self._rungs != rungs:
                break
        is_last = report.is_over and not (self.part.is_sweep or self.part.is_teacher)
        # A checkpoint between an evaluation and the verdict on it would go on without the verdict.
        is_due = is_last if report.is_over else (is_checkpoint_due and self._rungs == rungs) or is_interrupted
        if is_due and report.checkpoint is None and not self._is_stopping:
            report.checkpoint = self._checkpoint(report)
        report.position, report.has_phases = self.trainer.position, bool(self._cache.keys() - self._given)
        return report

    def phases(self) -> Phases:
        """Return the phases trained here that others may share."""
        return {
            key: (state.to_bytes(), events) for key, (state, events) in self._cache.items() if key not in self._given
        }

    def _take_chunk(self, report: Report) -> bool:
        """Take some steps; return whether there is more to train."""
        chunk = next(self._chunks, None)
        for place, event in chunk or ():
            weights = weights_to_store(self.trainer, place, event, is_sweep=self.part.is_sweep)
            report.events.append((place, event, weights))
            if self._phases:
                self._rungs[place] = max(self._rungs[place], rungs_reached(event, self._phases[place]))
            self._running -= isinstance(event, Finished)
        if self.part.is_teacher and (self._is_stopping or self.part.phases <= self._cache.keys()):
            return False
        return chunk is not None and self._running > 0

    def _checkpoint(self, report: Report) -> tuple[int, bytes]:
        return len(report.events), self.trainer.checkpoint().to_bytes()


def start_part(part: Part, device: str, phases: Phases) -> tuple[PartTrainer | None, Report]:
    """Return the trainer of a part; None where this machine cannot train it, and why in the report."""
    try:
        return PartTrainer(part, device, phases), Report()
    except torch.OutOfMemoryError as error:
        return None, Report(problem=MEMORY, reason=str(error))
    except NotAvailableError as error:
        return None, Report(problem=DATA, reason=str(error))
    except (ValueError, LookupError, TypeError, RuntimeError) as error:
        if part.resume:
            return None, Report(problem=CHECKPOINT, reason=str(error))
        if not isinstance(error, ValueError):
            raise
        return None, Report(problem=REFUSED, reason=str(error))


def merged(phases: Sequence[Mapping[str, tuple[bytes, list[Event]]]]) -> Phases:
    """Return all phases in one mapping."""
    return {key: value for some in phases for key, value in some.items()}


def _nothing() -> None:
    """Do nothing before a pause, since what has happened was reported."""
