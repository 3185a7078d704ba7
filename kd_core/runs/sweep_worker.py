"""Training of one sweep, group by group, with its events written to the store."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path

from kd_core.files.checkpoint import CheckpointRotation
from kd_core.runs.control import Control
from kd_core.runs.event_writer import RetryPolicy, SweepEventWriter
from kd_core.runs.sweep_groups import RunGroup, count_steps, split_into_groups
from kd_core.store.records import COMPLETED, INTERRUPTED, STOPPED
from kd_core.store.store import Store, SweepRow
from kd_core.store.teacher_cache import TeacherCache
from kd_core.training.loop import CHECKPOINT_VERSION

log = logging.getLogger(__name__)


class SweepWorker:
    """Trains one sweep on one device. Its checkpoints are in ``folder``."""

    def __init__(self, store: Store, row: SweepRow, folder: Path, device: str, teacher_cache: TeacherCache) -> None:
        self.store, self.row, self.device, self.teacher_cache = store, row, device, teacher_cache
        self.checkpoints = CheckpointRotation(folder)
        members = store.members(row.id)
        self.unfinished = {member.id for member in members if member.state != COMPLETED}
        self.groups = split_into_groups({member.id: member.config for member in members})

    def run(self, control: Control, retry: RetryPolicy) -> tuple[str, float]:
        """Train the runs that are not completed; return the sweep's state at the end and its seconds of training.

        Raises StorageError where events cannot be written and the sweep is to end.
        """
        first, group, written = self._resume(retry)
        remaining = [number for number in range(first, len(self.groups)) if self._is_unfinished(number)]
        runs = [run for number in remaining for run in self.groups[number]]
        writer = SweepEventWriter(self.store, runs, self.checkpoints, written, retry)
        control.seconds = self.row.seconds if written else 0.0
        steps = [count_steps(list(group.values())) for group in self.groups]
        steps_before = sum(steps) - sum(steps[number] for number in remaining)
        control.progress((steps_before, sum(steps)), 0.0)
        previous = time.monotonic()
        for number in remaining:
            if group is None or number != first:
                group = RunGroup(self.groups[number], self.device, self.teacher_cache)
            for _ in group:
                writer.add(group.events, group.weights)
                now = time.monotonic()
                control.progress((steps_before + group.position[0], sum(steps)), now - previous)
                if writer.is_checkpoint_due(now):
                    writer.save(group.checkpoint(), number)
                control.hold(1.0, writer.flush)
                previous = time.monotonic() if control.was_paused else now
                if control.mode.is_ending:
                    break
            if control.mode.is_ending:
                writer.save(group.checkpoint(), number)
            if control.mode.is_stopping:  # evaluated after the checkpoint, so that it can be resumed
                group.stop()
                deque(group, 0)
            writer.add(group.events, group.weights)
            writer.flush(control.seconds)
            if control.mode.is_ending:
                return STOPPED if control.mode.is_stopping else INTERRUPTED, control.seconds
            steps_before += steps[number]
        self.checkpoints.remove_previous()
        return COMPLETED, control.seconds

    def _resume(self, retry: RetryPolicy) -> tuple[int, RunGroup | None, Mapping[str, int]]:
        """Return the number of the group to continue with, that group, and the number of written events by run."""
        for state, notice in self.checkpoints.candidates(CHECKPOINT_VERSION):
            if state is None:
                retry.notify(notice)
                break
            try:
                first, written = int(state.values["group"]), dict[str, int](state.values["written"])
                if any(self.store.count(run) < count for run, count in written.items()):
                    raise ValueError("the checkpoint is ahead of the stored events")
                is_unfinished = self._is_unfinished(first)
                group = RunGroup(self.groups[first], self.device, self.teacher_cache, state) if is_unfinished else None
            except (ValueError, LookupError, TypeError, RuntimeError):
                log.warning("sweep %s cannot be resumed from a checkpoint", self.row.id, exc_info=True)
                continue
            retry.notify(notice)
            return first, group, written
        return 0, None, {}

    def _is_unfinished(self, number: int) -> bool:
        return bool(self.unfinished & set(self.groups[number]))
