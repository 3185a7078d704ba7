"""Training loop that runs the phases of a plan and yields events.

    for event in Trainer(config):
        print(event)

Events are those of :mod:`kd_core.base.events`. Between two of them the caller may :meth:`~Trainer.adjust` a live
option, :meth:`~Trainer.stop` the run, or take a :meth:`~Trainer.checkpoint`.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Iterator, MutableMapping, Sequence

import torch
from torch import nn

from kd_core.base import devices, events
from kd_core.base.devices import limit_threads
from kd_core.base.events import Adjusted, Event, Failed, Finished, Switched, Validated
from kd_core.base.seeds import use_seed
from kd_core.config.derived_networks import build_derived
from kd_core.config.plan import PhasePlan, build, cache_key, check_trainable, steps_per_epoch
from kd_core.config.run import RunConfig
from kd_core.datasets import NotAvailableError, load
from kd_core.files.checkpoint import Checkpoint
from kd_core.nn.inference import freeze
from kd_core.schemes import plan_of
from kd_core.training.dry_run import max_forward_flops, out_of_memory_message, prepared_event
from kd_core.training.evaluation import evaluate_on_test
from kd_core.training.learner import NotFiniteError
from kd_core.training.live_options import LiveOptions, check_live_options
from kd_core.training.phase import PhaseTrainer
from kd_core.training.vectorized.fast_steps import recorded_switches

CHECKPOINT_VERSION = 2  # 1, without a number, held an optimiser for each network

PhaseCache = MutableMapping[str, tuple[Checkpoint, list[Event]]]


class Trainer:
    """Iterable that trains one run and yields its events.

    Args:
        config: What determines the run.
        device: Where to train; by default as ``config.compute.device`` says.
        cache: Phases that were trained before, by cache key. Their events are emitted again, so that a run has the
            same events whether it finds its teacher here or trains it. Phases trained now are added.
        adjustments: Recorded changes of live options to replay and, if there are any, the switches to compiled steps.
        resume: Checkpoint to go on from; only the events that follow it are yielded.
    """

    def __init__(
        self,
        config: RunConfig,
        *,
        device: str | None = None,
        cache: PhaseCache | None = None,
        adjustments: Sequence[Adjusted | Switched] = (),
        resume: Checkpoint | None = None,
    ) -> None:
        self.config = config
        self.device = torch.device(device or devices.resolve(config.compute.device))
        self.data = load(config.dataset)
        self.phases = plan_of(config)
        check_trainable(self.phases)
        self.networks: dict[str, nn.Module] = {}
        self.live = LiveOptions(config, [change for change in adjustments if isinstance(change, Adjusted)])
        self._switches = recorded_switches(adjustments)
        self.chunk_seconds = 0.0  # duration of the steps taken before the caller gets their events; changes no number
        self._cache: PhaseCache = {} if cache is None else cache
        self._is_stopping = False
        self._is_over = False
        self._phase_trainer: PhaseTrainer | None = None  # of the present phase, once it has begun
        self._seconds_per_step = math.inf
        self._per_epoch = {phase.name: steps_per_epoch(phase, self.data) for phase in self.phases}
        self._phase_events: list[Event] | None = None  # of the present phase, if it is to be cached
        self._phase, self._step = 0, 0  # position
        self._steps_done = 0  # of the phase before
        self._pinned: list[int] = []  # validation examples followed from the first phase with a teacher on
        self._pending: deque[Event] = deque()
        self._last_evaluation: Event | None = None  # of the phase that ended last
        prepared = prepared_event(self.data, self.phases)
        self._max_flops = max_forward_flops(self.phases, prepared.networks)
        self._flops = {network.role: float(network.flops) for network in prepared.networks}
        if resume is None:
            self._pending.append(prepared)
        else:
            self._restore(resume)

    # -- between two events ------------------------------------------------------------------------------------------

    def adjust(self, **changes: float) -> None:
        """Change live options (temperature, alpha, learning_rate) before the next step. Raises ValueError."""
        self.live.request(check_live_options(self.config, changes))

    def stop(self) -> None:
        """End the run before the next step. The networks are evaluated and kept: a stopped run is a valid run."""
        self._is_stopping = True

    def checkpoint(self) -> Checkpoint:
        """Return all that is needed to go on from here with the numbers of an uninterrupted run."""
        events_json = None if self._phase_events is None else [events.to_json(event) for event in self._phase_events]
        state = Checkpoint(
            values={
                "version": CHECKPOINT_VERSION,
                "config": self.config.to_json(),
                "phase": self._phase,
                "step": self._step,
                "steps_done": self._steps_done,
                "is_within": self._phase_trainer is not None,
                "is_enough": self._phase_trainer is not None and self._phase_trainer.should_stop,
                "pinned": self._pinned,
                "live": self.live.values,
                "wanted": self.live.pending,
                "said": events_json,
                "pending": [events.to_json(event) for event in self._pending],
            }
        )
        derived_roles = {derived.role for phase in self.phases for derived in phase.derived}  # rebuilt when resumed
        for role, network in self.networks.items():
            if role not in derived_roles:
                state.put(f"network/{role}", network.state_dict())
        if self._phase_trainer is not None:
            self._phase_trainer.save_state(state)
        return state

    @property
    def position(self) -> tuple[int, int]:
        """Optimiser steps done, and steps of the whole run."""
        done = sum(self.steps(phase) for phase in self.phases[: self._phase]) + self._step
        return done, sum(map(self.steps, self.phases))

    @property
    def has_pending_events(self) -> bool:
        """Whether the next event is ready, without further computation."""
        return bool(self._pending)

    def is_last_evaluation(self, event: Event) -> bool:
        """Return whether ``event`` is the last evaluation of its phase, of the weights that are kept."""
        return event is self._last_evaluation

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps per epoch of the present phase."""
        return self._per_epoch[self._present_phase.name]

    @property
    def _present_phase(self) -> PhasePlan:
        """The phase at the present position; after the end of the run the last one."""
        return self.phases[min(self._phase, len(self.phases) - 1)]

    def steps(self, phase: PhasePlan) -> int:
        """Return the optimiser steps of a phase."""
        return phase.recipe.epochs * self._per_epoch[phase.name]

    # -- the loop ----------------------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[Event]:
        with limit_threads(self._max_flops):
            while True:
                # Emptied first, because a checkpoint holds the pending events with the state after them.
                while self._pending:
                    yield self._pending.popleft()
                if self._is_over:
                    return
                self._pending.extend(self._advance())

    def _advance(self) -> list[Event]:
        """Begin a phase, take some steps of it, end it, or end the run."""
        if self._is_stopping or self._phase == len(self.phases):
            last = self._phase_trainer.finish(self._step) if self._phase_trainer is not None else []
            return [*last, self._finish("stopped" if self._phase < len(self.phases) else "completed")]
        phase = self.phases[self._phase]
        try:
            if self._phase_trainer is None:
                new_events = self._replay_cached(phase) or self._begin(phase)
            elif self._step < self._phase_trainer.steps and not self._phase_trainer.should_stop:
                new_events = self._take_steps(self._phase_trainer)
            else:
                return self._end(self._phase_trainer)
        except (torch.OutOfMemoryError, NotAvailableError) as error:
            return [self._failure(phase, error), self._finish("failed")]
        if self._phase_events is not None:
            self._phase_events += new_events
        return new_events

    def _begin(self, phase: PhasePlan) -> list[Event]:
        self._phase_events = [] if phase.is_kept else None
        new_events = self._enter(phase).evaluate(0)
        self._note_evaluation(new_events, is_over=not self.steps(phase))
        return new_events

    def _enter(self, phase: PhasePlan) -> PhaseTrainer:
        self._phase_trainer = PhaseTrainer(
            phase, self.data, self.device,
            phases=self.phases, networks=self.networks, live=self.live.values, pinned=self._pinned,
            augmentation=self.config.augmentation, compute=self.config.compute, flops=self._flops,
        )  # fmt: skip
        self.networks |= self._phase_trainer.networks
        return self._phase_trainer

    def _take_steps(self, trainer: PhaseTrainer) -> list[Event]:
        new_events = [*self._apply_live(trainer), *trainer.switch_path(self._step, self._switches)]
        failed_step, started = self._step + 1, time.perf_counter()
        try:
            count, step_events = trainer.train_steps(self._step, self._max_steps(trainer))
            self._step += count
            self._seconds_per_step = (time.perf_counter() - started) / count
            new_events += step_events
            if trainer.is_evaluation_due(self._step):
                failed_step = self._step
                new_events += trainer.evaluate(self._step)
                self._note_evaluation(new_events, trainer.should_stop or self._step == trainer.steps)
        except NotFiniteError as error:
            name, restored = trainer.phase.name, trainer.restore_finite_weights()
            message = f"{error} at step {failed_step} of the phase “{name}”; {restored}."
            new_events.append(Failed(name, failed_step, error.role, error.part, message))
            new_events.append(self._finish("failed"))
        return new_events

    def _max_steps(self, trainer: PhaseTrainer) -> int:
        """Return how many steps to take at once, within the seconds allowed, the epoch, and the next change."""
        if trainer.phase.until:
            limit = 1
        else:
            affordable = int(self.chunk_seconds / max(self._seconds_per_step, 1e-6))
            limit = min(affordable, self.steps_per_epoch - self._step % self.steps_per_epoch)
        return max(1, self.live.steps_before_next(trainer.phase.name, self._step, limit))

    def _failure(self, phase: PhasePlan, error: Exception) -> Failed:
        if isinstance(error, NotAvailableError):  # pre-trained weights that cannot be downloaded
            return Failed(phase.name, self._step, "", "network", str(error))
        size = self._phase_trainer.largest_batch_size() if self._phase_trainer else 0
        return Failed(phase.name, self._step, "", "memory", out_of_memory_message(phase, self.device, size), size)

    def _end(self, trainer: PhaseTrainer) -> list[Event]:
        new_events = trainer.finish(self._step)
        self._note_evaluation(new_events, is_over=True)
        self._pinned = trainer.pinned
        self._build_derived(trainer.phase)
        if self._phase_events is not None:
            self._phase_events += new_events
            state = Checkpoint()
            for role, network in trainer.networks.items():
                state.put(f"network/{role}", network.state_dict())
            self._cache[self._cache_key(trainer.phase)] = (state, self._phase_events)
        self._phase_trainer, self._phase_events = None, None
        self._phase, self._step, self._steps_done = self._phase + 1, 0, self._step
        return new_events

    def _finish(self, outcome: str) -> Finished:
        """End the run. This is the only place where the test split is read."""
        self._is_over = True
        test = evaluate_on_test(self.networks, self.data, self.config.labels.omitted)
        step = self._step if self._phase < len(self.phases) else self._steps_done
        accuracy = {role: metrics["accuracy"] for role, metrics in test.items()}
        return Finished(outcome, self._present_phase.name, step, accuracy, test)

    def _apply_live(self, trainer: PhaseTrainer) -> list[Event]:
        """Put requested live options into force; in a cached phase, which may depend on nothing else, they wait."""
        if trainer.phase.is_kept:
            return []
        changes = self.live.apply_due(trainer.phase.name, self._step)
        if changes:
            trainer.set_live_options(self.live.values)
        return [*changes]

    def _replay_cached(self, phase: PhasePlan) -> list[Event]:
        """Load the networks of a cached phase, and return its events; empty if it is not cached."""
        entry = self._cache.get(self._cache_key(phase)) if phase.is_kept else None
        if entry is None:
            return []
        state, phase_events = entry
        self._load_finished(phase, state)
        self._note_evaluation(phase_events, is_over=True)
        self._phase, self._steps_done = self._phase + 1, self.steps(phase)
        return phase_events

    def _note_evaluation(self, new_events: Sequence[Event], is_over: bool) -> None:
        if is_over:
            evaluations = (event for event in reversed(new_events) if isinstance(event, Validated))
            self._last_evaluation = next(evaluations, self._last_evaluation)

    def _build_derived(self, phase: PhasePlan) -> None:
        for derived in phase.derived:
            self.networks[derived.role] = build_derived(derived, self.networks, self.data, self.device)

    def _cache_key(self, phase: PhasePlan) -> str:
        settings = self.config.augmentation.values() | self.config.compute.cache_settings()
        settings |= {"device": self.device.type}
        return cache_key(self.config.dataset, phase, repr(sorted(settings.items())))

    def _load_finished(self, phase: PhasePlan, state: Checkpoint) -> None:
        for learner in phase.learners:
            with use_seed(learner.seed, "weights"):
                network = build(learner, self.phases, self.data)
            network.load_state_dict(state.get(f"network/{learner.role}"))
            self.networks[learner.role] = freeze(self.config.compute.placed(network, self.device))
        self._build_derived(phase)

    def _restore(self, state: Checkpoint) -> None:
        values = state.values
        check_version(state)
        self._phase, self._step, self._steps_done = values["phase"], values["step"], values.get("steps_done", 0)
        self.live.values, self.live.pending = dict(values["live"]), dict(values["wanted"])
        self._pinned = list(values.get("pinned", []))
        self._phase_events = None if values["said"] is None else [events.from_json(text) for text in values["said"]]
        self._pending.extend(events.from_json(text) for text in values["pending"])
        for phase in self.phases[: self._phase]:
            self._load_finished(phase, state)
        if values["is_within"]:
            trainer = self._enter(self.phases[self._phase])
            trainer.load_state(state, self._step, values.get("is_enough", False))
            self._note_evaluation(list(self._pending), trainer.should_stop or self._step == trainer.steps)
        else:
            self._note_evaluation(list(self._pending), is_over=True)


def check_version(state: Checkpoint) -> None:
    """Raise ValueError for a checkpoint of a version of the engine whose numbers differ in their last digits."""
    if state.version != CHECKPOINT_VERSION:
        raise ValueError(
            f"version = {state.version}: this checkpoint is of another version of the engine, which reads version "
            f"{CHECKPOINT_VERSION}. Start the run again; what is stored of it can still be opened."
        )
