"""The one training loop. Iterating it trains, ceasing to iterate stops.

    for event in Training(config):
        print(event)

Everything that happens is yielded as an event (:mod:`kd_core.base.events`). Between two events the caller may
:meth:`~Trainer.adjust` a live option, ask it to :meth:`~Trainer.stop`, or take a :meth:`~Trainer.checkpoint`.
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
from kd_core.config.plan import PhasePlan, build, cache_key, steps_per_epoch
from kd_core.config.run import RunConfig
from kd_core.datasets import NotAvailableError, load
from kd_core.files.checkpoint import Checkpoint
from kd_core.nn.inference import freeze
from kd_core.schemes import plan_of
from kd_core.training.dry_run import max_forward_flops, out_of_memory_message, prepared_event
from kd_core.training.evaluation import evaluate_on_test
from kd_core.training.learner import NotFiniteError
from kd_core.training.live_options import LiveOptions
from kd_core.training.phase import PhaseTrainer
from kd_core.training.vectorized.switch import recorded_switches

PhaseCache = MutableMapping[str, tuple[Checkpoint, list[Event]]]


class Trainer:
    """One run of ``config`` on ``device``.

    ``cache`` holds phases that were trained before, by what determines them. Their events are said again, so that a run
    gives the same events whether it finds its teacher there or trains it. ``adjustments`` repeats changes once made by
    hand and, if it names any, exactly these switches to compiled steps. ``resume`` says only what follows a checkpoint.
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
        self.networks: dict[str, nn.Module] = {}
        self.live = LiveOptions(config, [change for change in adjustments if isinstance(change, Adjusted)])
        self._switches = recorded_switches(adjustments)
        self.chunk_seconds = (
            0.0  # seconds of steps that are taken before the caller may intervene again; changes no number
        )
        self._cache: PhaseCache = {} if cache is None else cache
        self._is_stopping = False
        self._is_over = False
        self._phase_trainer: PhaseTrainer | None = None  # the phase at hand, once it has begun
        self._seconds = math.inf  # per step, lately
        self._per_epoch = {phase.name: steps_per_epoch(phase, self.data) for phase in self.phases}
        self._phase_events: list[Event] | None = None  # of a phase worth keeping, from its first event on
        self._phase, self._step, self._steps_done = 0, 0, 0  # the last: of the phase before
        self._pinned: list[int] = []  # validation examples that are followed from the first taught phase on
        self._pending: deque[Event] = deque()
        self._last_evaluation: Event | None = None  # of the phase that ended last
        ready = prepared_event(self.data, self.phases)
        self._work = max_forward_flops(self.phases, ready.networks)
        self._operations = {network.role: float(network.flops) for network in ready.networks}
        if resume is None:
            self._pending.append(ready)
        else:
            self._restore(resume)

    # -- between two events ------------------------------------------------------------------------------------------

    def adjust(self, **changes: float) -> None:
        """Changes live options (temperature, alpha, learning_rate) before the next step. Raises ValueError."""
        self.live.request(changes)

    def stop(self) -> None:
        """Ends the run before the next step. What was learned is judged and kept: a stopped run is a valid run."""
        self._is_stopping = True

    def checkpoint(self) -> Checkpoint:
        """All that is needed to go on from here with the same numbers as if never interrupted."""
        state = Checkpoint(
            values={
                "config": self.config.to_json(),
                "phase": self._phase,
                "step": self._step,
                "steps_done": self._steps_done,
                "is_within": self._phase_trainer is not None,
                "is_enough": self._phase_trainer is not None and self._phase_trainer.should_stop,
                "pinned": self._pinned,
                "live": self.live.values,
                "wanted": self.live.pending,
                "said": None if self._phase_events is None else [events.to_json(event) for event in self._phase_events],
                "pending": [events.to_json(event) for event in self._pending],
            }
        )
        made = {derived.role for phase in self.phases for derived in phase.derived}  # made again of the others
        for role, network in self.networks.items():
            if role not in made:
                state.put(f"network/{role}", network.state_dict())
        if self._phase_trainer is not None:
            self._phase_trainer.save_state(state)
        return state

    @property
    def position(self) -> tuple[int, int]:
        """Optimiser steps done, and steps in all."""
        done = sum(self.steps(phase) for phase in self.phases[: self._phase]) + self._step
        return done, sum(map(self.steps, self.phases))

    @property
    def has_pending_events(self) -> bool:
        """More events are ready to be said: nothing will be computed to give the next one."""
        return bool(self._pending)

    def is_last_evaluation(self, event: Event) -> bool:
        """Whether it is the last look of its phase, at the weights that are kept."""
        return event is self._last_evaluation

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps per epoch of the phase at hand."""
        return self._per_epoch[self.phases[min(self._phase, len(self.phases) - 1)].name]

    def steps(self, phase: PhasePlan) -> int:
        """Optimiser steps of a phase."""
        return phase.recipe.epochs * self._per_epoch[phase.name]

    # -- the loop ----------------------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[Event]:
        with limit_threads(self._work):
            while True:
                # Emptied first: what was computed but not yet said belongs to the state of this moment.
                while self._pending:
                    yield self._pending.popleft()
                if self._is_over:
                    return
                self._pending.extend(self._advance())

    def _advance(self) -> list[Event]:
        """One unit of work: begin a phase, one step of it, end it, or end the run."""
        if self._is_stopping or self._phase == len(self.phases):
            said = self._phase_trainer.finish(self._step) if self._phase_trainer is not None else []
            return [*said, self._finish("stopped" if self._phase < len(self.phases) else "completed")]
        phase = self.phases[self._phase]
        try:
            if self._phase_trainer is None:
                said = self._replay_cached(phase) or self._begin(phase)
            elif self._step < self._phase_trainer.steps and not self._phase_trainer.should_stop:
                said = self._some_steps(self._phase_trainer)
            else:
                return self._end(self._phase_trainer)
        except (torch.OutOfMemoryError, NotAvailableError) as error:  # the latter: weights that cannot be had
            return [self._failure(phase, error), self._finish("failed")]
        if self._phase_events is not None:
            self._phase_events += said
        return said

    def _begin(self, phase: PhasePlan) -> list[Event]:
        self._phase_events = [] if phase.is_kept else None
        said = self._enter(phase).evaluate(0)
        self._note(said, is_over=not self.steps(phase))
        return said

    def _enter(self, phase: PhasePlan) -> PhaseTrainer:
        self._phase_trainer = PhaseTrainer(
            phase, self.data, self.device,
            phases=self.phases, networks=self.networks, live=self.live.values, pinned=self._pinned,
            augmentation=self.config.augmentation, compute=self.config.compute,
        )  # fmt: skip
        self.networks |= self._phase_trainer.networks
        return self._phase_trainer

    def _some_steps(self, lesson: PhaseTrainer) -> list[Event]:
        said = [*self._adjust(lesson), *lesson.switch_path(self._step, self._switches, self._operations)]
        at, begun = self._step + 1, time.perf_counter()
        try:
            taken = lesson.train_steps(self._step, self._most(lesson))
            self._step += len(taken)
            self._seconds = (time.perf_counter() - begun) / len(taken)
            said += taken
            if lesson.is_evaluation_due(self._step):
                at = self._step
                said += lesson.evaluate(at)
                self._note(said, lesson.should_stop or at == lesson.steps)
        except NotFiniteError as failure:
            message = f"{failure} at step {at} of the phase “{lesson.phase.name}”; {lesson.restore_finite_weights()}."
            said.append(Failed(lesson.phase.name, at, failure.role, failure.part, message))
            said.append(self._finish("failed"))
        return said

    def _most(self, lesson: PhaseTrainer) -> int:
        """How many steps are taken at once: within the seconds allowed, up to the next look and the next change."""
        most = min(
            int(self.chunk_seconds / max(self._seconds, 1e-6)), self.steps_per_epoch - self._step % self.steps_per_epoch
        )
        if lesson.phase.until:
            most = 1
        return max(1, self.live.steps_before_next(lesson.phase.name, self._step, most))

    def _failure(self, phase: PhasePlan, error: Exception) -> Failed:
        if isinstance(error, NotAvailableError):
            return Failed(phase.name, self._step, "", "network", str(error))
        size = self._phase_trainer.largest_batch_size() if self._phase_trainer else 0
        return Failed(phase.name, self._step, "", "memory", out_of_memory_message(phase, self.device, size), size)

    def _end(self, lesson: PhaseTrainer) -> list[Event]:
        said = lesson.finish(self._step)
        self._note(said, is_over=True)
        self._pinned = lesson.pinned
        if self._phase_events is not None:
            self._phase_events += said
        self._derive(lesson.phase)
        if self._phase_events is not None:
            state = Checkpoint()
            for role, network in lesson.networks.items():
                state.put(f"network/{role}", network.state_dict())
            self._cache[self._key(lesson.phase)] = (state, self._phase_events)
        self._phase_trainer, self._phase_events = None, None
        self._phase, self._step, self._steps_done = self._phase + 1, 0, self._step
        return said

    def _finish(self, outcome: str) -> Finished:
        """The only place where the test split is touched."""
        self._is_over = True
        test = evaluate_on_test(self.networks, self.data, self.config.labels.omitted)
        phase = self.phases[min(self._phase, len(self.phases) - 1)]
        step = self._step if self._phase < len(self.phases) else self._steps_done
        return Finished(outcome, phase.name, step, {role: own["accuracy"] for role, own in test.items()}, test)

    def _adjust(self, lesson: PhaseTrainer) -> list[Event]:
        """Puts what was asked for into force. A kept phase must depend on nothing but itself, so there it waits."""
        if lesson.phase.is_kept:
            return []
        said = self.live.apply_due(lesson.phase.name, self._step)
        if said:
            lesson.set_live_options(self.live.values)
        return [*said]

    def _replay_cached(self, phase: PhasePlan) -> list[Event]:
        """The events of a phase that was trained before, its networks loaded; empty if there is none."""
        found = self._cache.get(self._key(phase)) if phase.is_kept else None
        if found is None:
            return []
        state, said = found
        self._load_finished(phase, state)
        self._note(said, is_over=True)
        self._phase, self._steps_done = self._phase + 1, self.steps(phase)
        return said

    def _note(self, said: Sequence[Event], is_over: bool) -> None:
        if is_over:
            looks = (event for event in reversed(said) if isinstance(event, Validated))
            self._last_evaluation = next(looks, self._last_evaluation)

    def _derive(self, phase: PhasePlan) -> None:
        for derived in phase.derived:
            self.networks[derived.role] = build_derived(derived, self.networks, self.data, self.device)

    def _key(self, phase: PhasePlan) -> str:
        ways = self.config.augmentation.values() | self.config.compute.cache_settings() | {"device": self.device.type}
        return cache_key(self.config.dataset, phase, repr(sorted(ways.items())))

    def _load_finished(self, phase: PhasePlan, state: Checkpoint) -> None:
        for learner in phase.learners:
            with use_seed(learner.seed, "weights"):
                network = build(learner, self.phases, self.data)
            network.load_state_dict(state.get(f"network/{learner.role}"))
            self.networks[learner.role] = freeze(self.config.compute.placed(network, self.device))
        self._derive(phase)

    def _restore(self, state: Checkpoint) -> None:
        values = state.values
        self._phase, self._step, self._steps_done = values["phase"], values["step"], values.get("steps_done", 0)
        self.live.values, self.live.pending = dict(values["live"]), dict(values["wanted"])
        self._pinned = list(values.get("pinned", []))
        self._phase_events = None if values["said"] is None else [events.from_json(text) for text in values["said"]]
        self._pending.extend(events.from_json(text) for text in values["pending"])
        for phase in self.phases[: self._phase]:
            self._load_finished(phase, state)
        if values["is_within"]:
            lesson = self._enter(self.phases[self._phase])
            lesson.load_state(state, values.get("is_enough", False))
            self._note(list(self._pending), lesson.should_stop or self._step == lesson.steps)
        else:
            self._note(list(self._pending), is_over=True)
