"""The one training loop. Iterating it trains, ceasing to iterate stops.

    for event in Training(config):
        print(event)

Everything that happens is yielded as an event (:mod:`kd_core.events`). Between two events the caller may
:meth:`~Training.adjust` a live option, ask it to :meth:`~Training.stop`, or take a :meth:`~Training.checkpoint`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, MutableMapping, Sequence

import torch
from torch import nn

from kd_core import events
from kd_core.checkpoint import Checkpoint
from kd_core.config import RunConfig
from kd_core.datasets import Split, load
from kd_core.events import Adjusted, Event, Failed, Finished, Step
from kd_core.learning import Learning, NotFiniteError, answers, freeze, one_thread
from kd_core.metrics import judge
from kd_core.preparation import prepared, steps_per_epoch
from kd_core.probes import Watch
from kd_core.schemes import TEACHER, Phase, Scheme, what_determines
from kd_core.seeds import generator

LOOKS = 200  # evaluations of a phase at most: a longer one is looked at every few epochs, and at its end

Kept = MutableMapping[str, tuple[Checkpoint, list[Event]]]


class Training:
    """One run of ``config`` on ``device``.

    ``kept`` holds phases that were trained before, by what determines them. Their events are said again, so that a run
    gives the same events whether it finds its teacher there or trains it. ``adjustments`` repeats changes once made by
    hand. ``resume`` continues from a checkpoint and says only what comes after it.
    """

    def __init__(
        self,
        config: RunConfig,
        *,
        device: str = "cpu",
        kept: Kept | None = None,
        adjustments: Sequence[Adjusted] = (),
        resume: Checkpoint | None = None,
    ) -> None:
        assert isinstance(config.scheme, Scheme)
        self.config = config
        self.device = torch.device(device)
        self.data = load(config.dataset)
        self.phases = config.scheme.phases(config)
        self.networks: dict[str, nn.Module] = {}
        self.live = config.live_values()
        self._kept: Kept = {} if kept is None else kept
        self._repeat = deque(adjustments)
        self._wanted: dict[str, float] = {}
        self._is_stopping = False
        self._is_over = False
        self._learning: list[Learning] = []
        self._watch: Watch
        self._order: tuple[int, torch.Tensor] = (-1, torch.empty(0))  # of the epoch with that number
        self._per_epoch = {phase.name: steps_per_epoch(phase, self.data) for phase in self.phases}
        self._said: list[Event] | None = None  # of a phase worth keeping, from its first event on
        self._phase, self._step = 0, 0
        self._pending: deque[Event] = deque()
        if resume is None:
            self._pending.append(prepared(self.data, self.phases))
        else:
            self._restore(resume)

    # -- between two events ------------------------------------------------------------------------------------------

    def adjust(self, **changes: float) -> None:
        """Changes live options (temperature, alpha, learning_rate) before the next step. Raises ValueError."""
        allowed = self.config.live_options()
        for name, value in changes.items():
            if name not in allowed:
                raise ValueError(f"{name}: cannot be changed while a run trains; {', '.join(allowed)} can.")
            self._wanted[name] = allowed[name].check(name, value)

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
                "is_within": bool(self._learning),
                "live": self.live,
                "pending": [events.to_json(event) for event in self._pending],
            }
        )
        for role, network in self.networks.items():
            state.put(f"network/{role}", network.state_dict())
        for learning in self._learning:
            state.put(f"optimiser/{learning.role}", learning.optimiser_tensors())
        return state

    @property
    def position(self) -> tuple[int, int]:
        """Optimiser steps done, and steps in all."""
        done = sum(self.steps(phase) for phase in self.phases[: self._phase]) + self._step
        return done, sum(map(self.steps, self.phases))

    @property
    def is_talking(self) -> bool:
        """More events are ready to be said: nothing will be computed to give the next one."""
        return bool(self._pending)

    @property
    def pace(self) -> int:
        """Optimiser steps per epoch of the phase at hand."""
        return self._per_epoch[self.phases[min(self._phase, len(self.phases) - 1)].name]

    def steps(self, phase: Phase) -> int:
        """Optimiser steps of a phase."""
        return phase.recipe.epochs * self._per_epoch[phase.name]

    # -- the loop ----------------------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[Event]:
        with one_thread():
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
            return [self._finish("stopped" if self._phase < len(self.phases) else "completed")]
        phase = self.phases[self._phase]
        if not self._learning:
            said = self._repeat_kept(phase) or self._begin(phase)
        elif self._step < self.steps(phase):
            said = self._one_step(phase)
        else:
            return self._end(phase)
        if self._said is not None:
            self._said += said
        return said

    def _begin(self, phase: Phase) -> list[Event]:
        self._enter(phase)
        self._said = [] if phase.is_kept else None
        return self._look()

    def _enter(self, phase: Phase) -> None:
        """Builds what a phase needs. Every learner is shown the same examples."""
        view = phase.view.apply(self.data, phase.view_seed)
        shown = Split(view.inputs.to(self.device), view.labels.to(self.device))
        teachers = [self.networks.get(learner.teacher) for learner in phase.learners]
        self._learning = [
            Learning(learner, phase.recipe, self.data, shown, teacher)
            for learner, teacher in zip(phase.learners, teachers, strict=True)
        ]
        if not phase.is_kept:
            for learning in self._learning:
                learning.apply(self.live)
        self._watch = Watch(phase.name, self.data, self.device, next(filter(None, teachers), None))
        self.networks |= {learning.role: learning.network for learning in self._learning}
        self._order = (-1, torch.empty(0))

    def _one_step(self, phase: Phase) -> list[Event]:
        adjusted = self._adjust(phase)
        per_epoch, size = self._per_epoch[phase.name], phase.recipe.batch_size
        epoch, batch = divmod(self._step, per_epoch)
        if self._order[0] != epoch:
            count, chance = len(self._learning[0].labels), generator(phase.order_seed, "order", epoch)
            self._order = (epoch, torch.randperm(count, generator=chance).to(self.device))
        rows = self._order[1][batch * size : (batch + 1) * size]
        try:
            parts = [learning.parts(rows) for learning in self._learning]
            numbers = [learning.numbers(own) for learning, own in zip(self._learning, parts, strict=True)]
        except NotFiniteError as failure:
            message = f"{failure} at step {self._step + 1} of the phase “{phase.name}”; the weights before it are kept."
            failed = Failed(phase.name, self._step + 1, failure.role, failure.part, message)
            return [*adjusted, failed, self._finish("failed")]
        for learning, own in zip(self._learning, parts, strict=True):
            learning.update(own)
        self._step += 1
        roles = [learning.role for learning in self._learning]
        said: list[Event] = [
            *adjusted,
            Step(
                phase.name,
                self._step,
                epoch + 1,
                {role: own for role, (own, _) in zip(roles, numbers, strict=True)},
                {role: value for role, (_, value) in zip(roles, numbers, strict=True)},
                self._learning[0].optimiser.param_groups[0]["lr"],
            ),
        ]
        every = -(-phase.recipe.epochs // LOOKS)
        is_last = self._step == self.steps(phase)
        if is_last or (batch + 1 == per_epoch and (epoch + 1) % every == 0):
            said += self._look()
        return said

    def _look(self) -> list[Event]:
        epoch = self._step // self._per_epoch[self._watch.phase]
        return self._watch.look(self._step, epoch, {own.role: own.network for own in self._learning})

    def _end(self, phase: Phase) -> list[Event]:
        for learning in self._learning:
            freeze(learning.network)
        if self._said is not None:
            state = Checkpoint()
            for learning in self._learning:
                state.put(f"network/{learning.role}", learning.network.state_dict())
            self._kept[what_determines(self.config.dataset, phase)] = (state, self._said)
        self._learning, self._said = [], None
        self._phase, self._step = self._phase + 1, 0
        return []

    def _finish(self, outcome: str) -> Finished:
        """The only place where the test split is touched."""
        self._is_over = True
        split = self.data.test
        logits = {role: answers(network, split.inputs.to(self.device)).cpu() for role, network in self.networks.items()}
        test = {
            role: judge(own, split.labels, logits.get(TEACHER) if role != TEACHER else None)
            for role, own in logits.items()
        }
        phase = self.phases[min(self._phase, len(self.phases) - 1)]
        step = self._step if self._phase < len(self.phases) else self.steps(phase)
        return Finished(outcome, phase.name, step, {role: own["accuracy"] for role, own in test.items()}, test)

    # -- parts of it -------------------------------------------------------------------------------------------------

    def _adjust(self, phase: Phase) -> list[Event]:
        """Puts what was asked for into force. A kept phase must depend on nothing but itself, so there it waits."""
        if phase.is_kept:
            return []
        while self._repeat and (self._repeat[0].phase, self._repeat[0].step) == (phase.name, self._step):
            change = self._repeat.popleft()
            self._wanted[change.option] = change.new
        changed = {name: value for name, value in self._wanted.items() if value != self.live[name]}
        said: list[Event] = [
            Adjusted(phase.name, self._step, name, self.live[name], value) for name, value in changed.items()
        ]
        self._wanted = {}
        self.live = self.live | changed
        if changed:
            for learning in self._learning:
                learning.apply(self.live)
        return said

    def _repeat_kept(self, phase: Phase) -> list[Event]:
        """The events of a phase that was trained before, its networks loaded; empty if there is none."""
        key = what_determines(self.config.dataset, phase)
        if not phase.is_kept or key not in self._kept:
            return []
        state, said = self._kept[key]
        self._load_finished(phase, state)
        self._phase += 1
        return said

    def _load_finished(self, phase: Phase, state: Checkpoint) -> None:
        for learner in phase.learners:
            network = learner.model.build(self.data.shape, len(self.data.classes))
            network.load_state_dict(state.take(f"network/{learner.role}"))
            self.networks[learner.role] = freeze(network.to(self.device))

    def _restore(self, state: Checkpoint) -> None:
        values = state.values
        self._phase, self._step, self.live = values["phase"], values["step"], dict(values["live"])
        self._pending.extend(events.from_json(text) for text in values["pending"])
        for phase in self.phases[: self._phase]:
            self._load_finished(phase, state)
        if values["is_within"]:
            self._enter(self.phases[self._phase])
            for learning in self._learning:
                learning.network.load_state_dict(state.take(f"network/{learning.role}"))
                learning.load_optimiser_tensors(state.take(f"optimiser/{learning.role}"))
