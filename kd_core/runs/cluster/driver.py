"""Training of a run or a sweep in parts by the workers of an executor, written to the store by this process alone."""

from __future__ import annotations

import logging
import time
from collections import Counter, deque
from collections.abc import Sequence
from pathlib import Path

from kd_core.base.events import Adjusted, Failed, Finished
from kd_core.files.checkpoint import Checkpoint
from kd_core.runs.cluster.executor import ClusterGoneError, Executor, Handle, LostError, PhasesRef
from kd_core.runs.cluster.files import files_of
from kd_core.runs.cluster.part import CHECKPOINT, REFUSED, Part, Report
from kd_core.runs.cluster.partition import Assignment, Partition
from kd_core.runs.control import Adjust, Command, Control
from kd_core.runs.event_writer import EventWriter, RetryPolicy
from kd_core.runs.sweeps.pruning import TrialPruner
from kd_core.store.records import COMPLETED, FAILED, INTERRUPTED, PRUNED, STOPPED, Run
from kd_core.store.store import Store
from kd_core.store.teacher_cache import TeacherCache

MAX_LOSSES = 3  # of the workers of one part, without a checkpoint in between
POLL_SECONDS = 0.1
PATIENCE_SECONDS = 8.0  # for the last reports of an interrupted run

log = logging.getLogger(__name__)


class PartsWorker:
    """Trains one run, or the runs of a sweep in parts, by an executor.

    Arguments are those of :class:`~kd_core.runs.worker.Worker`, with an ``executor`` in place of the device. Teachers
    that several parts share are trained once, as a part of their own, and handed over by reference.

    Trials are ended early where the ``pruner`` says so.
    """

    is_continued = False  # whether the seconds before count without a checkpoint, too
    pruner: TrialPruner | None = None

    def __init__(
        self,
        store: Store,
        runs: Sequence[Run],
        folder: Path,
        *,
        executor: Executor,
        teacher_cache: TeacherCache,
        control: Control,
        retry: RetryPolicy,
    ) -> None:
        self.store, self.executor, self.teacher_cache = store, executor, teacher_cache
        self.control, self.retry = control, retry
        self.is_sweep = bool(runs[0].sweep)
        self.configs = {run.id: run.config for run in runs}
        self._completed = {run.id for run in runs if run.state in (COMPLETED, PRUNED)}
        self._partition = Partition(folder, self.configs, is_sweep=self.is_sweep)
        self._writer: EventWriter
        self._waiting: deque[Assignment] = deque()
        self._running: dict[Handle, Assignment] = {}
        self._shared: dict[str, PhasesRef] = {}  # by cache key
        self._outcomes: dict[str, str] = {}
        self._given_up: list[str] = []  # reasons
        self._clock = time.monotonic()  # of the last progress

    def run(self, seconds: float) -> tuple[str, float]:
        """Train what is not completed; return the state at the end and the seconds of training.

        ``seconds`` are those of training before. Raises StorageError where events cannot be written and the training
        is to end.
        """
        device = self.executor.device
        if self.pruner is not None:
            self._partition.runs_per_trial = self.pruner.runs_per_trial
        assignments = self._partition.assignments(self.executor.capacity(), self._completed, device, self.store)
        written = {run: assignment.written.get(run, 0) for assignment in assignments for run in assignment.runs}
        self._writer = EventWriter(self.store, written, self._partition.checkpoints, self.retry)
        self.control.seconds = seconds if self.is_continued or any(written.values()) or self._completed else 0.0
        self._waiting.extend([*self._teacher_parts(assignments), *assignments])
        for assignment in assignments:
            if assignment.notice:
                self.retry.notify(assignment.notice)
        try:
            state = self._drive()
        except ClusterGoneError as error:
            self.retry.notify(f"{error} What was trained is stored: resume it, on the cluster or without it.")
            state = INTERRUPTED
        finally:
            self._release()
            self._writer.flush(self.control.seconds)
        if state == COMPLETED:
            self._partition.remove()
        return state, self.control.seconds

    def _drive(self) -> str:
        deadline = float("inf")
        while self._waiting or self._running:
            for command in self.control.take():
                for handle, assignment in self._running.items():
                    self._send(handle, assignment, command)
                if isinstance(command, Adjust):
                    for assignment in self._waiting:
                        assignment.unseen |= command.options
            if self.control.mode.is_ending:
                self._waiting.clear()
            if self.control.mode.is_interrupted:
                deadline = min(deadline, time.monotonic() + PATIENCE_SECONDS)
            if time.monotonic() > deadline:
                break
            if not self.control.mode.is_held:
                self._start()
            self._listen()
        has_ended = self.configs.keys() <= self._outcomes.keys() | self._completed
        if self.control.mode.is_ending and not (has_ended and STOPPED not in self._outcomes.values()):
            return STOPPED if self.control.mode.is_stopping else INTERRUPTED
        if self._given_up:
            self.retry.notify(self._given_up[-1])
            return INTERRUPTED
        return COMPLETED if self.is_sweep else self._outcomes.get(next(iter(self.configs)), FAILED)

    # -- parts -------------------------------------------------------------------------------------------------------

    def _teacher_parts(self, assignments: Sequence[Assignment]) -> list[Assignment]:
        """Share the teachers that are cached here; return parts that train those which several parts need."""
        needed = Counter(key for assignment in assignments for key in assignment.phases)
        for key in needed:
            if (entry := self.teacher_cache.get(key)) is not None:
                self._shared[key] = self.executor.share({key: (entry[0].to_bytes(), entry[1])})
        parts, covered = [], set(self._shared)
        for assignment in assignments:
            missing = assignment.phases - covered
            if any(needed[key] > 1 for key in missing):
                parts.append(Assignment(assignment.runs[:1], assignment.phases, is_teacher=True))
                covered |= assignment.phases
            assignment.awaits |= {key for key in assignment.phases - self._shared.keys() if needed[key] > 1}
        return parts

    def _start(self) -> None:
        """Give waiting parts to workers, those first whose teachers are trained."""
        for assignment in [*self._waiting]:
            if assignment.awaits <= self._shared.keys() | self._outcomes.keys() | self._completed:
                if not self.executor.has_room():
                    return
                self._waiting.remove(assignment)
                configs = [self.configs[run] for run in assignment.runs]
                part = Part(
                    configs,
                    self.is_sweep or assignment.is_teacher,
                    assignment.phases,
                    assignment.is_teacher,
                    assignment.resume,
                    assignment.changes(self.store),
                    self.control.mode,
                    self.pruner is not None and not assignment.is_teacher,
                )
                shared = {id(self._shared[key]): self._shared[key] for key in assignment.phases & self._shared.keys()}
                handle = self.executor.start(part, files_of(configs), [*shared.values()])
                self._running[handle] = assignment
                if assignment.unseen:
                    self.executor.send(handle, Adjust(dict(assignment.unseen)))
                assignment.saved = time.monotonic()

    def _send(self, handle: Handle, assignment: Assignment, command: Command) -> None:
        if isinstance(command, Adjust):
            assignment.unseen |= command.options
        self.executor.send(handle, command)

    def _listen(self) -> None:
        """Take the reports that have arrived, and ask for the next ones."""
        results = self.executor.wait([*self._running], POLL_SECONDS) if self._running else []
        if not self._running:
            time.sleep(POLL_SECONDS)  # a part waits for room, or for the end of a pause
        for handle, result in results:
            assignment = self._running[handle]
            if isinstance(result, LostError):
                self._lose(handle, str(result))
            elif result.problem:
                self._fail(handle, result)
            else:
                is_over = result.is_over or (self.control.mode.is_interrupted and result.checkpoint is not None)
                if not is_over:
                    is_due = assignment.is_checkpoint_due(time.monotonic())
                    condemned = self._condemned(assignment, result)
                    self.executor.advance(handle, is_checkpoint_due=is_due, condemned=condemned)
                self._take(assignment, result)
                if is_over:
                    self._finish(handle, has_phases=result.has_phases)
        if self.control.mode.is_held or not results:
            self._clock = time.monotonic() if self.control.mode.is_held else self._clock
            self._writer.flush()

    def _condemned(self, assignment: Assignment, report: Report) -> list[int]:
        """Return the places of the runs of a part that are to be ended early after a report."""
        if self.pruner is None or assignment.is_teacher:
            return []
        runs = assignment.runs
        condemned = [run for place, event, _ in report.events for run in self.pruner.observe(runs[place], event, runs)]
        return [runs.index(run) for run in dict.fromkeys(condemned)]

    def _take(self, assignment: Assignment, report: Report) -> None:
        """Write the events of a report and its checkpoint."""
        at, state = report.checkpoint or (-1, b"")
        for number, (place, event, weights) in enumerate([] if assignment.is_teacher else report.events):
            if number == at:
                self._save(assignment, state)
            run = assignment.runs[place]
            self._writer.add(run, event, weights)
            if isinstance(event, Adjusted):
                assignment.unseen.pop(event.option, None)
            if isinstance(event, Finished):
                self._outcomes[run] = event.outcome
                if self.is_sweep:
                    self._writer.end(run, event.outcome)
        if at >= len(report.events):
            self._save(assignment, state)
        self._progress(assignment, report)

    def _progress(self, assignment: Assignment, report: Report) -> None:
        # The first report of a worker has no position.
        if assignment.is_teacher or not report.position[1] or report.position == assignment.position:
            return
        assignment.position = report.position
        parts = self._partition.parts
        begun = [(part.position, len(part.runs)) for part in parts if part.position[1]]
        per_run = sum(position[1] for position, _ in begun) / sum(count for _, count in begun)
        done = sum(
            part.position[0] if part.position[1] else per_run * len(part.runs) * part.is_completed for part in parts
        )
        total = sum(part.position[1] or per_run * len(part.runs) for part in parts)
        now = time.monotonic()
        self.control.progress((int(done), int(total)), now - self._clock)
        self._clock = now

    def _save(self, assignment: Assignment, state: bytes) -> None:
        """Write a checkpoint of a part after all events before it."""
        if assignment.is_teacher:
            assignment.resume = state
        else:
            self._writer.flush()
            checkpoint = Checkpoint.from_bytes(state)
            assignment.written = {run: self._writer.written[run] for run in assignment.runs}
            checkpoint.values |= {"group": 0, "written": assignment.written}
            began = time.monotonic()
            self.retry.try_once(lambda: assignment.checkpoints.write(checkpoint))
            assignment.cost = time.monotonic() - began
        assignment.saved, assignment.losses, assignment.has_checkpoint = time.monotonic(), 0, True

    def _finish(self, handle: Handle, *, has_phases: bool) -> None:
        """Release the worker of a part that is over, after its teachers."""
        assignment = self._running.pop(handle)
        if has_phases and not self.control.mode.is_ending:
            reference = self.executor.phases(handle)
            self._shared |= dict.fromkeys(assignment.phases - self._shared.keys(), reference)
            try:
                for key, (state, events) in self.executor.fetch(reference).items():
                    self.teacher_cache[key] = (Checkpoint.from_bytes(state), events)
            except LostError:
                if assignment.is_teacher:
                    for key in assignment.phases:
                        self._shared.pop(key, None)
                    self._waiting.appendleft(assignment)
        self.executor.end(handle)

    # -- trouble -----------------------------------------------------------------------------------------------------

    def _fail(self, handle: Handle, report: Report) -> None:
        """Answer the report of a worker that cannot train a part."""
        assignment = self._running[handle]
        if report.problem == CHECKPOINT:
            log.warning("a part cannot be resumed from its checkpoint: %s", report.reason)
            assignment.use_older_checkpoint()
        elif report.problem == REFUSED and not assignment.is_teacher:
            del self._running[handle]
            self.executor.end(handle)
            for run in assignment.runs:
                self._writer.add(run, Failed("", 0, "", "network", report.reason))
                self._writer.end(run, FAILED)
                self._outcomes[run] = FAILED
            return
        self._lose(handle, report.reason)

    def _lose(self, handle: Handle, reason: str) -> None:
        """Let a part go on from its last checkpoint with another worker, unless it has lost too many."""
        assignment = self._running.pop(handle)
        self.executor.end(handle, is_broken=True)
        if self.control.mode.is_ending:
            return
        log.warning("a worker was lost: %s", reason, extra={"event": "lost worker"})
        assignment.losses += 1
        count = len(assignment.runs)
        what = "The teacher" if assignment.is_teacher else "A run" if count == 1 else f"{count} runs"
        if assignment.losses >= MAX_LOSSES:
            reason = f"{what} could not be trained on the cluster: {reason.rstrip('.')}."
            self._given_up.append(f"{reason} What was trained is stored: resume it, on the cluster or without it.")
            # The parts that wait for it cannot start.
            lost = assignment.phases if assignment.is_teacher else frozenset(assignment.runs)
            self._waiting = deque(other for other in self._waiting if not other.awaits & lost)
            return
        self._forget_lost_phases(assignment)
        if not assignment.is_teacher:
            assignment.reload(self.store)
            for run in assignment.runs:
                self._writer.rewind(run, assignment.written.get(run, 0))
        self._waiting.appendleft(assignment)
        goes = "goes" if count == 1 else "go"
        start = "its last checkpoint" if assignment.resume else "the beginning"
        start = start if count == 1 else start.replace("its", "their")
        self.retry.notify(f"A worker of the cluster was lost. {what} {goes} on from {start}, with the same numbers.")

    def _forget_lost_phases(self, assignment: Assignment) -> None:
        """Share the teachers of a part from this process, since those of a lost node are lost with it."""
        for key in assignment.phases & self._shared.keys():
            if (entry := self.teacher_cache.get(key)) is not None:
                self._shared[key] = self.executor.share({key: (entry[0].to_bytes(), entry[1])})

    def _release(self) -> None:
        for handle in self._running:
            try:
                self.executor.end(handle, is_broken=True)
            except ClusterGoneError:
                break
        self._running.clear()
