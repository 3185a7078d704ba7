"""Parts of a run or sweep, with their checkpoints in its folder."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kd_core.base.events import Adjusted, Switched
from kd_core.config.run import RunConfig
from kd_core.files.checkpoint import Checkpoint, CheckpointRotation
from kd_core.runs import event_writer
from kd_core.schemes import plan_of
from kd_core.store.store import Store
from kd_core.training.loop import CHECKPOINT_VERSION
from kd_core.training.networks import phase_cache_key
from kd_core.training.vectorized.compatibility import split_into_groups

FOLDER, LIST = "parts", "parts.json"


@dataclass(eq=False)
class Assignment:
    """Runs that one worker trains, and how far it has come.

    A part that ``is_teacher`` trains ``phases`` alone, which others await.
    """

    runs: Sequence[str]
    phases: frozenset[str] = frozenset()
    is_teacher: bool = False
    checkpoints: CheckpointRotation = field(default_factory=lambda: CheckpointRotation(Path()))
    awaits: frozenset[str] = frozenset()  # the phases and runs that have to end before
    resume: bytes = b""  # the checkpoint to go on from
    written: dict[str, int] = field(default_factory=dict)  # events by then
    position: tuple[int, int] = (0, 0)
    is_completed: bool = False  # before
    unseen: dict[str, float] = field(default_factory=dict)  # requested live options that no event has reported
    losses: int = 0
    saved: float = 0.0
    cost: float = 0.0  # seconds that the last checkpoint took
    has_checkpoint: bool = False
    notice: str = ""
    _skipped: int = 0  # checkpoints that cannot be used

    def is_checkpoint_due(self, now: float) -> bool:
        """Return whether to ask for a checkpoint; ``now`` in seconds of the monotonic clock."""
        wait = max(event_writer.CHECKPOINT_SECONDS, self.cost / event_writer.CHECKPOINT_FRACTION)
        return now - self.saved > wait

    def use_older_checkpoint(self) -> None:
        """Go on from the checkpoint before the one that could not be used, or from the beginning."""
        self._skipped += 1

    def reload(self, store: Store) -> None:
        """Set ``resume`` and ``written`` to the newest checkpoint that the stored events reach."""
        for number, (state, notice) in enumerate(self.checkpoints.candidates(CHECKPOINT_VERSION)):
            if state is not None and number < self._skipped:
                continue
            written = {} if state is None else self._written(state)
            if written is not None and all(store.count(run) >= count for run, count in written.items()):
                self.resume = b"" if state is None else state.to_bytes()
                self.written, self.notice = written, notice
                return

    def changes(self, store: Store) -> list[Adjusted | Switched]:
        """Return the recorded changes after the checkpoint that a single run repeats."""
        if len(self.runs) > 1 or self.is_teacher:
            return []
        (run,) = self.runs
        recorded = store.changes(run, self.written.get(run, 0))
        return [event for event in recorded if isinstance(event, Adjusted | Switched)]

    def _written(self, state: Checkpoint) -> dict[str, int] | None:
        """Return the events by a checkpoint; None if it is not of these runs."""
        written = state.values.get("written")
        if not isinstance(written, dict) or not set(self.runs) <= written.keys():
            return None
        return {run: int(written[run]) for run in self.runs}


class Partition:
    """Parts of the runs of a sweep, or the single part of a run, in a folder.

    The parts of a sweep stay the same until it is completed, since each has a checkpoint of its own. A trial, which
    consists of ``runs_per_trial`` consecutive runs, is in one part, or its runs train one after the other.
    """

    runs_per_trial = 1

    def __init__(self, folder: Path, configs: Mapping[str, RunConfig], *, is_sweep: bool) -> None:
        self.folder, self.configs, self.is_sweep = folder, configs, is_sweep
        self.checkpoints = CheckpointRotation(folder)
        self.parts: list[Assignment] = []

    def assignments(self, capacity: int, completed: set[str], device: str, store: Store) -> list[Assignment]:
        """Return the parts that are not completed, with their newest usable checkpoints.

        Args:
            capacity: How many parts can train at once.
            completed: The runs that are.
            device: The type of device they train on.
            store: The stored events.
        """
        lists = self._read() or self._split(capacity)
        if self.is_sweep:
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / LIST).write_text(json.dumps(lists), encoding="utf-8")
        self.parts = []
        for runs in lists:
            part = Assignment(
                runs, self._phases(runs, device), checkpoints=self._rotation(runs), awaits=self._earlier(runs)
            )
            part.is_completed = set(runs) <= completed
            if not part.is_completed:
                part.reload(store)
            self.parts.append(part)
        return [part for part in self.parts if not part.is_completed]

    def remove(self) -> None:
        """Remove what only a resumed sweep needs, and the previous checkpoint of a run."""
        self.checkpoints.remove_previous()
        shutil.rmtree(self.folder / FOLDER, ignore_errors=True)
        (self.folder / LIST).unlink(missing_ok=True)

    def _read(self) -> list[list[str]]:
        try:
            lists: list[list[str]] = json.loads((self.folder / LIST).read_text(encoding="utf-8"))
            return lists if sorted(run for runs in lists for run in runs) == sorted(self.configs) else []
        except (OSError, ValueError, TypeError):
            return []

    def _split(self, capacity: int) -> list[list[str]]:
        """Return the groups of runs that train side by side, cut until all workers are busy.

        No run of a group is left alone, since a single run has the events of each step.
        """
        names = list(self.configs)
        groups = [[names[place] for place in group] for group in split_into_groups([*self.configs.values()])]
        count = -(-capacity // len(groups))
        return [part for group in groups for part in cut(group, count, self.runs_per_trial)]

    def _earlier(self, runs: Sequence[str]) -> frozenset[str]:
        """Return the earlier runs of the same trials, in other parts."""
        names, size = [*self.configs], self.runs_per_trial
        places = [place for place, name in enumerate(names) if name in runs]
        return frozenset(name for place in places for name in names[place - place % size : place]) - {*runs}

    def _rotation(self, runs: Sequence[str]) -> CheckpointRotation:
        if not self.is_sweep:
            return self.checkpoints
        name = hashlib.sha256(" ".join(runs).encode()).hexdigest()[:16]
        return CheckpointRotation(self.folder / FOLDER / name)

    def _phases(self, runs: Iterable[str], device: str) -> frozenset[str]:
        configs = [self.configs[run] for run in runs]
        return frozenset(
            phase_cache_key(config, phase, device) for config in configs for phase in plan_of(config) if phase.is_kept
        )


def is_partitioned(folder: Path) -> bool:
    """Return whether the sweep of a folder has begun in parts."""
    return (folder / LIST).is_file()


def cut(runs: Sequence[str], count: int, together: int = 1) -> list[list[str]]:
    """Return at most ``count`` parts of almost equal size, of two runs at least.

    So many consecutive runs stay ``together``, if the number of runs is a multiple of it.
    """
    unit = together if len(runs) % together == 0 else 1
    units = len(runs) // unit
    count = max(1, min(count, len(runs) // max(2, unit)))
    sizes = [unit * (units // count + (number < units % count)) for number in range(count)]
    ends = [sum(sizes[: number + 1]) for number in range(count)]
    return [list(runs[end - size : end]) for size, end in zip(sizes, ends, strict=True)]
