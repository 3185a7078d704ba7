"""A sweep from its first group of runs to its last, written down as it goes."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path

from kd_core.files.checkpoint import CheckpointRotation
from kd_core.runs.control import Control
from kd_core.runs.event_writer import RetryPolicy, SweepEventWriter
from kd_core.runs.sweep_groups import RunGroup, split_into_groups
from kd_core.store.records import ACTIVE, COMPLETED, INTERRUPTED, STOPPED
from kd_core.store.store import Store, SweepRow
from kd_core.store.teacher_cache import TeacherCache

log = logging.getLogger(__name__)


class SweepWorker:
    """One sweep on one device. Its checkpoints are in ``folder``."""

    def __init__(self, store: Store, row: SweepRow, folder: Path, device: str, kept: TeacherCache) -> None:
        self.store, self.row, self.device, self.kept = store, row, device, kept
        self.generations = CheckpointRotation(folder)
        members = store.members(row.id)
        self.count = len(members)
        self.open = {member.id for member in members if member.state != COMPLETED}
        self.groups = split_into_groups({member.id: member.config for member in members})

    def drive(self, control: Control, patience: RetryPolicy) -> tuple[str, float]:
        """Trains the runs, or what is left of them; how it ended, and after how many seconds.

        Raises NotWrittenError where nothing could be written and the reader wanted to wait no longer.
        """
        first, group, written = self._begun(patience)
        left = [number for number, some in enumerate(self.groups) if number >= first and set(some) & self.open]
        minutes = SweepEventWriter(
            self.store, [run for number in left for run in self.groups[number]], self.generations, written, patience
        )
        control.seconds, before, last = self.row.seconds if written else 0.0, 0, time.monotonic()
        for number in left:
            if group is None or number != first:
                group = RunGroup(self.groups[number], self.device, self.kept)
            for _ in group:
                minutes.add(group.events, group.weights)
                now, (done, total) = time.monotonic(), group.position
                control.progress((before + done, total * self.count // len(self.groups[number])), now - last)
                if minutes.is_due(now):
                    minutes.save(group.checkpoint(), number)
                control.hold(1.0, minutes.flush)
                last = time.monotonic() if control.was_paused else now
                if control.mode.is_ending:
                    break
            if control.mode.is_ending:
                minutes.save(group.checkpoint(), number)
            if control.mode.is_stopping:  # what was learned is judged; the checkpoint is from before that
                group.stop()
                deque(group, 0)
            minutes.add(group.events, group.weights)
            minutes.flush(control.seconds)
            if control.mode.is_ending:
                outcome = STOPPED if control.mode.is_stopping else INTERRUPTED
                self.store.set_unfinished_state(self.row.id, outcome)
                return outcome, control.seconds
            before += group.position[1]
        self._settle()
        return COMPLETED, control.seconds

    def _begun(self, patience: RetryPolicy) -> tuple[int, RunGroup | None, Mapping[str, int]]:
        """The number of the group to go on with, that group, and how much each run has said by then."""
        for state, words in self.generations.candidates():
            if state is None:
                patience.notify(words)
                break
            try:
                first, written = int(state.values["group"]), dict[str, int](state.values["written"])
                if any(self.store.count(run) < count for run, count in written.items()):
                    raise ValueError("more had been said than is stored")
                group = RunGroup(self.groups[first], self.device, self.kept, state) if self._is_open(first) else None
            except (ValueError, LookupError, TypeError, RuntimeError):
                log.warning("the sweep %s cannot go on from a checkpoint", self.row.id, exc_info=True)
                continue
            patience.notify(words)
            return first, group, written
        return 0, None, {}

    def _is_open(self, number: int) -> bool:
        return bool(set(self.groups[number]) & self.open)

    def _settle(self) -> None:
        """A run that had failed before the last checkpoint says nothing again: it ended as it had said then."""
        for member in self.store.members(self.row.id):
            if member.state in ACTIVE and (outcome := self.store.outcome(member.id)):
                self.store.set_state(member.id, outcome)
        self.generations.remove_previous()
