"""Training loop over the phases of a group of runs, yielding their events.

    for number, event in GroupTrainer(configs):
        print(number, event)

A single run, a group of one, is trained by :class:`~kd_core.training.loop.Trainer`.
"""

from __future__ import annotations

import math
import operator
import time
from collections import deque
from collections.abc import Iterator, Mapping, MutableMapping, Sequence

import torch
from torch import nn

from kd_core.base import devices, events
from kd_core.base.devices import limit_threads
from kd_core.base.events import Adjusted, Event, Failed, Finished, Switched, Validated
from kd_core.config.plan import PhasePlan, check_trainable, steps_per_epoch
from kd_core.config.run import RunConfig
from kd_core.datasets import NotAvailableError, load
from kd_core.files.checkpoint import Checkpoint
from kd_core.schemes import plan_of
from kd_core.training.dry_run import max_forward_flops, out_of_memory_message, prepared_event
from kd_core.training.evaluation import evaluate_on_test, without_details
from kd_core.training.learner import NotFiniteError
from kd_core.training.live_options import LiveOptions
from kd_core.training.networks import Task, TrainedNetworks, split_into_tasks
from kd_core.training.phase import Member, PhaseTrainer
from kd_core.training.vectorized.compatibility import group_incompatibility
from kd_core.training.vectorized.compilation import AUTO
from kd_core.training.vectorized.fast_steps import recorded_switches

CHECKPOINT_VERSION = 3  # 1, without a number, held an optimiser for each network, 2 one loop for single runs

PhaseCache = MutableMapping[str, tuple[Checkpoint, list[Event]]]


class GroupTrainer:
    """Iterable that trains a group of runs side by side and yields (position in ``configs``, event).

    What several runs share is computed once: teachers, and baselines of the same seed. A run whose numbers overflow
    fails, and the others go on. The events of each run are those of its own
    :class:`~kd_core.training.loop.Trainer` up to rounding, without
    the single steps, and with pinned examples and decision surfaces only in the first and last evaluation of a phase.
    Raises ValueError for runs that cannot be trained together; see
    :func:`~kd_core.training.vectorized.compatibility.group_incompatibility`.

    Args:
        configs: What determines the runs.
        device: Where to train; by default as the first configuration says.
        cache: Phases that were trained before, by cache key. Their events are emitted again, so that a run has the
            same events whether it finds its teacher here or trains it. Phases trained now are added.
        adjustments: Of a single run, recorded changes of live options to replay and, if there are any, the switches to
            compiled steps.
        resume: Checkpoint to go on from; only the events that follow it are yielded.
        compiling: Of several runs, as in :class:`~kd_core.training.vectorized.step.VectorizedStep`.
    """

    is_brief = True  # without steps, and without pinned examples and surfaces within a phase

    def __init__(
        self,
        configs: Sequence[RunConfig],
        *,
        device: str | None = None,
        cache: PhaseCache | None = None,
        adjustments: Sequence[Adjusted | Switched] = (),
        resume: Checkpoint | None = None,
        compiling: str = AUTO,
    ) -> None:
        if clause := group_incompatibility(configs):
            raise ValueError(f"These runs cannot be trained together: {clause}. Train them one after the other.")
        self.configs, self.compiling, self.config = list(configs), compiling, configs[0]
        self.device = torch.device(device or devices.resolve(self.config.compute.device))
        self.data = load(self.config.dataset)
        self.plans = [plan_of(config) for config in configs]
        self.phases = self.plans[0]
        check_trainable(self.phases)
        self._networks = TrainedNetworks(self.config, self.plans, self.data, self.device)  # of finished phases
        self.live = LiveOptions(self.config, [change for change in adjustments if isinstance(change, Adjusted)])
        # Duration of the steps taken before the caller gets their events; changes no number.
        self.chunk_seconds = 0.0 if len(configs) == 1 else 1e9
        self._switches = recorded_switches(adjustments)
        self._cache: PhaseCache = {} if cache is None else cache
        self._is_stopping = False
        self._per_epoch = {phase.name: steps_per_epoch(phase, self.data) for phase in self.phases}
        self._tasks = split_into_tasks(self.plans)
        self._task, self._step = 0, 0  # position
        self._steps_done = 0  # of the task before
        self._alive = dict.fromkeys(range(len(configs)))  # runs that are not finished
        self._phase_trainer: PhaseTrainer | None = None  # of the present task, once it has begun
        self._phase_events: list[Event] | None = None  # of the present phase, if it is to be cached
        self._seconds_per_step = math.inf
        self._pinned: dict[int, list[int]] = {}  # by run, validation examples followed from a phase with a teacher on
        self._pending: deque[tuple[int, Event]] = deque()
        self._last_evaluation: dict[int, Event] = {}  # by run, of the phase that ended last
        prepared = prepared_event(self.data, self.phases)
        self._flops = {network.role: float(network.flops) for network in prepared.networks}
        if resume is None:
            self._emit([*self._alive], [prepared])
        else:
            self._restore(resume)

    # -- between two events ------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """End every run before its next step. The networks are evaluated and kept: a stopped run is a valid run."""
        self._is_stopping = True

    def checkpoint(self) -> Checkpoint:
        """Return all that is needed to go on from here with the numbers of an uninterrupted run."""
        events_json = None if self._phase_events is None else [events.to_json(event) for event in self._phase_events]
        trainer = self._phase_trainer
        state = Checkpoint(
            values={
                "version": CHECKPOINT_VERSION,
                "configs": [config.to_json() for config in self.configs],
                "task": self._task,
                "step": self._step,
                "steps_done": self._steps_done,
                "alive": list(self._alive),
                "members": None if trainer is None else list(trainer.members),
                "pinned": [[run, rows] for run, rows in self._pinned.items()],
                "live": self.live.values,
                "requested": dict(self.live.pending),
                "phase_events": events_json,
                "pending": [[run, events.to_json(event)] for run, event in self._pending],
            }
        )
        self._networks.save_state(state)
        if trainer is not None:
            trainer.save_state(state)
        return state

    @property
    def position(self) -> tuple[int, int]:
        """Optimiser steps done, and steps of all runs; those of cached phases count for a single run alone."""
        steps = [self.steps(self.phases[task.phase]) for task in self._tasks]
        is_single = len(self.configs) == 1
        counts = [len(task.runs) * (is_single or not self.phases[task.phase].is_kept) for task in self._tasks]
        done = sum(map(operator.mul, counts, [*steps[: self._task], self._step]))
        return done, sum(map(operator.mul, counts, steps))

    @property
    def has_pending_events(self) -> bool:
        """Whether the next event is ready, without further computation."""
        return bool(self._pending)

    def is_last_evaluation(self, event: Event, run: int = 0) -> bool:
        """Return whether ``event`` is the last evaluation of its phase by a run, of the weights that are kept."""
        return event is self._last_evaluation.get(run)

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps per epoch of the present phase."""
        return self._per_epoch[self._present_phase.name]

    @property
    def _present_phase(self) -> PhasePlan:
        """The phase at the present position; after the end of the training the last one."""
        return self.phases[self._tasks[min(self._task, len(self._tasks) - 1)].phase]

    def steps(self, phase: PhasePlan) -> int:
        """Return the optimiser steps of a phase."""
        return phase.recipe.epochs * self._per_epoch[phase.name]

    # -- the loop ----------------------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[tuple[int, Event]]:
        for chunk in self.chunks():
            yield from chunk

    def chunks(self) -> Iterator[Iterator[tuple[int, Event]]]:
        """Yield the events, each of which leaves the queue when it is asked for, as often as steps were taken."""
        while self._pending or self._alive:
            # Emptied first, because a checkpoint holds the pending events with the state after them.
            yield self._take_pending()
            if self._alive and not self._pending:
                with limit_threads(self._largest_flops):
                    self._advance()

    def _take_pending(self) -> Iterator[tuple[int, Event]]:
        while self._pending:
            yield self._pending.popleft()

    @property
    def _largest_flops(self) -> float:
        """Operations of the largest forward pass, for a stack those of one of its networks.

        With more threads a stack is faster on an idle machine, and several times slower beside a busy process.
        """
        is_stacked = self._phase_trainer is not None and not self._phase_trainer.is_single
        return max_forward_flops([self._present_phase] if is_stacked else self.phases, self._flops)

    def _advance(self) -> None:
        """Begin a task, take some steps of it, end it, or end the training."""
        if self._is_stopping or self._task == len(self._tasks):
            self._end_all()
            return
        task, trainer = self._tasks[self._task], self._phase_trainer
        phase, runs = self.phases[task.phase], [run for run in task.runs if run in self._alive]
        try:
            if not runs:  # all of them have failed
                self._leave_task()
            elif trainer is None:
                if not self._replay_cached(task, runs):
                    self._begin(task, runs)
            elif self._step < trainer.steps and not trainer.should_stop:
                self._take_steps(trainer)
            else:
                self._end(task, trainer)
        except NotAvailableError as error:  # pre-trained weights that cannot be downloaded
            self._fail(dict.fromkeys(runs, Failed(phase.name, self._step, "", "network", str(error))))
        except torch.OutOfMemoryError:
            size = self._phase_trainer.largest_batch_size() if self._phase_trainer else 0
            message = out_of_memory_message(phase, self.device, size)
            self._fail(dict.fromkeys(runs, Failed(phase.name, self._step, "", "memory", message, size)))

    def _begin(self, task: Task, runs: Sequence[int]) -> None:
        self._phase_events = [] if self.phases[task.phase].is_kept else None
        self._evaluate(self._enter(task, runs))

    def _enter(self, task: Task, runs: Sequence[int]) -> PhaseTrainer:
        members = {}
        for run in runs:
            phase, live = self.plans[run][task.phase], self.configs[run].live_values()
            if len(self.configs) == 1:
                live = self.live.values
            if phase.is_kept:  # it may depend on nothing but its cache key
                live = {}
            pinned = self._pinned.get(run, [])
            members[run] = Member(phase, self.plans[run], self._networks.by_run[run], live, pinned)
        self._phase_trainer = PhaseTrainer(
            members, self.data, self.device,
            augmentation=self.config.augmentation, compute=self.config.compute, flops=self._flops,
            compiling=self.compiling,
        )  # fmt: skip
        return self._phase_trainer

    def _take_steps(self, trainer: PhaseTrainer) -> None:
        new_events: list[Event] = [*self._apply_live(trainer)]
        if trainer.fast is not None:
            new_events += trainer.fast.switch(self._step, self._switches)
        started = time.perf_counter()
        try:
            count, step_events = trainer.train_steps(self._step, self._max_steps(trainer))
        except NotFiniteError as error:
            self._emit_phase(self._alive_in(trainer), new_events)
            self._fail_broken(trainer, dict.fromkeys(trainer.members, error), self._step + 1)
            return
        self._step += count
        self._seconds_per_step = (time.perf_counter() - started) / count
        self._emit_phase(self._alive_in(trainer), [*new_events, *step_events])
        self._fail_broken(trainer, trainer.broken(self._step), self._step)
        if trainer.is_evaluation_due(self._step) and self._alive:
            self._evaluate(trainer)

    def _evaluate(self, trainer: PhaseTrainer) -> None:
        is_brief = self.is_brief and not trainer.phase.is_kept
        evaluated, broken = trainer.evaluate(self._step, self._alive_in(trainer), is_brief=is_brief)
        for runs, new_events in evaluated:
            self._emit_phase(runs, new_events, is_over=trainer.should_stop or self._step == trainer.steps)
        self._fail_broken(trainer, broken, self._step)
        if evaluated:
            trainer.copy_finite_weights()

    def _max_steps(self, trainer: PhaseTrainer) -> int:
        """Return how many steps to take at once, within the seconds allowed, and before what follows a step."""
        affordable = self.chunk_seconds / max(self._seconds_per_step, 1e-6)
        ends = trainer.steps_per_epoch, trainer.evaluation_interval
        limit = int(min(affordable, *(end - self._step % end for end in ends)))
        return max(1, self.live.steps_before_next(trainer.phase.name, self._step, limit))

    def _end(self, task: Task, trainer: PhaseTrainer) -> None:
        self._emit_phase(self._alive_in(trainer), trainer.finish(self._step), is_over=True)
        for run in self._alive_in(trainer):
            self._networks.by_run[run] |= trainer.networks_of(run)
            self._pinned[run] = trainer.pinned.get(run, [])
        self._networks.build_derived(task)
        if self._phase_events is not None:
            state = Checkpoint()
            for role, network in trainer.networks_of(self._alive_in(trainer)[0]).items():
                state.put(f"network/{role}", network.state_dict())
            self._cache[self._networks.cache_key(task)] = (state, self._phase_events)
        self._leave_task()

    def _leave_task(self) -> None:
        self._phase_trainer, self._phase_events = None, None
        self._task, self._step, self._steps_done = self._task + 1, 0, self._step

    def _end_all(self) -> None:
        """End all runs at the present position."""
        if (trainer := self._phase_trainer) is not None:
            self._emit_phase(self._alive_in(trainer), trainer.finish(self._step))
        self._finish("stopped" if self._task < len(self._tasks) else "completed", list(self._alive))

    def _fail_broken(self, trainer: PhaseTrainer, broken: Mapping[int, NotFiniteError], step: int) -> None:
        """End those runs with numbers that are not finite which have not ended yet."""
        present = {run: error for run, error in broken.items() if run in self._alive}
        if not present:
            return
        clause, networks = trainer.restore_finite_weights(present)
        name = trainer.phase.name
        messages = {run: f"{error} at step {step} of the phase “{name}”; {clause}." for run, error in present.items()}
        failures = {run: Failed(name, step, e.role, e.part, messages[run]) for run, e in present.items()}
        self._fail(failures, networks)

    def _fail(
        self, failures: Mapping[int, Failed], networks: Mapping[int, Mapping[str, nn.Module]] | None = None
    ) -> None:
        """End some runs, with other ``networks`` of the present phase than they have now."""
        for run, failed in failures.items():
            self._emit([run], [failed])
            self._networks.ended[run] = {**self.networks_of(run), **(networks or {}).get(run, {})}
        self._finish("failed", list(failures))

    def _finish(self, outcome: str, runs: Sequence[int]) -> None:
        """End some runs. This is the only place where the test split is read."""
        self._networks.ended |= {run: self.networks_of(run) for run in runs}
        networks = {run: self._networks.ended[run] for run in runs}
        tests = evaluate_on_test(networks, self.data, self.config.labels.omitted)
        step = self._step if self._task < len(self._tasks) else self._steps_done
        for run, test in tests.items():
            accuracy = {role: metrics["accuracy"] for role, metrics in test.items()}
            self._emit([run], [Finished(outcome, self._present_phase.name, step, accuracy, test)])
            del self._alive[run]

    # -- runs and their networks -------------------------------------------------------------------------------------

    def networks_of(self, run: int) -> dict[str, nn.Module]:
        """Return the networks of a run by role, as they are now or as they were when it ended."""
        if run in self._networks.ended:
            return self._networks.by_run[run] | self._networks.ended[run]  # the first has those that are rebuilt
        trainer, networks = self._phase_trainer, self._networks.by_run[run]
        return networks | trainer.networks_of(run) if trainer is not None and run in trainer.members else dict(networks)

    def _alive_in(self, trainer: PhaseTrainer) -> list[int]:
        return [run for run in trainer.members if run in self._alive]

    def _emit_phase(self, runs: Sequence[int], new_events: Sequence[Event], *, is_over: bool = False) -> None:
        """Queue events of the present phase; after ``is_over`` no evaluation of it follows."""
        if self._phase_events is not None:
            self._phase_events += new_events
        self._emit(runs, new_events, is_over=is_over)

    def _emit(self, runs: Sequence[int], new_events: Sequence[Event], *, is_over: bool = False) -> None:
        last = next((event for event in reversed(new_events) if isinstance(event, Validated)), None)
        if is_over and last is not None:
            self._last_evaluation |= dict.fromkeys(runs, last)
        if self.is_brief:
            new_events = [*without_details(new_events, last if is_over else None)]
        self._pending.extend((run, event) for event in new_events for run in runs)

    def _apply_live(self, trainer: PhaseTrainer) -> list[Event]:
        """Put requested live options into force; in a cached phase, which may depend on nothing else, they wait."""
        if trainer.phase.is_kept:
            return []
        changes = self.live.apply_due(trainer.phase.name, self._step)
        if changes:
            trainer.set_live_options(self.live.values)
        return [*changes]

    def _replay_cached(self, task: Task, runs: Sequence[int]) -> bool:
        """Load the networks of a cached phase and queue its events; return whether it is cached."""
        phase = self.phases[task.phase]
        entry = self._cache.get(self._networks.cache_key(task)) if phase.is_kept else None
        if entry is None:
            return False
        state, phase_events = entry
        self._networks.load_phase(task, state)
        self._emit(runs, phase_events, is_over=True)
        self._task, self._steps_done = self._task + 1, self.steps(phase)
        return True

    def _restore(self, state: Checkpoint) -> None:
        values = state.values
        state.check_version(CHECKPOINT_VERSION)
        if len(self.configs) > 1 and values["configs"] != [config.to_json() for config in self.configs]:
            raise ValueError("This checkpoint belongs to other runs: resume it with those that it was taken of.")
        self._task, self._step, self._steps_done = values["task"], values["step"], values["steps_done"]
        self._alive = dict.fromkeys(values["alive"])
        self.live.values, self.live.pending = dict(values["live"]), dict(values["requested"])
        self._pinned = {run: list(rows) for run, rows in values["pinned"]}
        if values["phase_events"] is not None:
            self._phase_events = [events.from_json(text) for text in values["phase_events"]]
        self._pending.extend((run, events.from_json(text)) for run, text in values["pending"])
        self._networks.load_state(state, self._tasks[: self._task])
        is_over = True
        if values["members"] is not None:
            trainer = self._enter(self._tasks[self._task], values["members"])
            trainer.load_state(state, self._step)
            is_over = trainer.should_stop or self._step == trainer.steps
        if is_over:
            self._last_evaluation |= {run: event for run, event in self._pending if isinstance(event, Validated)}
