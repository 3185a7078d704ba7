"""One phase at work: its learners side by side, on the same examples in the same order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice

import torch
from torch import nn

from kd_core.base.events import Event, Restored, Step, Switched, Validated
from kd_core.base.seeds import use_seed
from kd_core.config.augmentation import Augmentation
from kd_core.config.compute import Compute
from kd_core.config.plan import TEACHER, LearnerPlan, PhasePlan, build, epochs_per_evaluation, pairs_of, steps_per_epoch
from kd_core.config.recipe import BEST
from kd_core.datasets import Data
from kd_core.files.checkpoint import Checkpoint
from kd_core.methods import LossPart
from kd_core.nn import weights
from kd_core.nn.inference import freeze, predict_logits
from kd_core.training.data import BatchSampler, Examples
from kd_core.training.dry_run import is_target_reached, largest_batch
from kd_core.training.evaluation import BestWeights, Evaluator, WeightsCopy
from kd_core.training.learner import NetworkTrainer, NotFiniteError, build_criteria, loss_values, visible_rows
from kd_core.training.optim import rate_factor
from kd_core.training.vectorized.switch import CompiledSteps, compile_incompatibility

_Taken = tuple[dict[str, list[LossPart]], float]  # of a step: the parts by role, the learning rate


class PhaseTrainer:
    """``networks`` are those of earlier phases, the teachers among them; ``live`` are the live options in force;
    ``pinned`` the validation examples that an earlier phase has chosen to follow."""

    def __init__(
        self,
        phase: PhasePlan,
        data: Data,
        device: torch.device,
        *,
        phases: Sequence[PhasePlan],
        networks: Mapping[str, nn.Module],
        live: Mapping[str, float],
        pinned: Sequence[int],
        augmentation: Augmentation,
        compute: Compute,
    ) -> None:
        self.phase, self.data, self.device, self.compute = phase, data, device, compute
        self.steps_per_epoch = steps_per_epoch(phase, data)
        self.steps = phase.recipe.epochs * self.steps_per_epoch
        self.should_stop = False  # every learner is as good as the phase wants them
        self.examples = Examples(
            phase.view.apply(data), data, device, augmentation, is_channels_last=compute.channels_last
        )
        self.scaler = compute.scaler(device)
        self.trainers: list[NetworkTrainer] = []
        for learner in phase.learners:
            network = self._network(learner, phases, networks)
            others: set[torch.Tensor] = {p for own in self.trainers for p in own.network.parameters()}
            self.trainers.append(
                NetworkTrainer(
                    learner, network, phase.recipe, self.examples, others=others, compute=compute, scaler=self.scaler
                )
            )
        shares = any(own.learner.trunk[0] for own in self.trainers)
        for own in self.trainers:
            own.prepare(build_criteria(own, phases, data, self._teachers(networks)), shares=shares)
        pools: dict[str, torch.Tensor] = {}
        for own in self.trainers:
            pools.setdefault(own.learner.sees, visible_rows(own))
        size = phase.recipe.batch_size
        self.sampler = BatchSampler(
            self.examples, pools, seed=phase.order_seed, size=size, steps_per_epoch=self.steps_per_epoch
        )
        if not phase.is_kept:  # a kept phase must depend on nothing but itself
            self.set_live_options(live)
        taught = [own.teachers for own in phase.learners if own.teachers]
        roles = [TEACHER if len(teachers) > 1 else teachers[0] for teachers in taught]
        reference = next(((role, networks[role]) for role in roles if role in networks), None)
        self._evaluator = Evaluator(phase.name, data, device, reference, pinned if taught or pinned else None)
        self._last_finite: dict[str, WeightsCopy] = {}  # weights of the last look
        self.best = {own.role: BestWeights() for own in self.trainers}
        self._one_by_one = 0  # steps up to there are taken one by one, since something among them is not finite
        self.compiled: CompiledSteps | None = None
        self._is_asked, self._was_compiled = False, False  # about compiled steps; whether it had them before

    def _network(
        self, learner: LearnerPlan, phases: Sequence[PhasePlan], networks: Mapping[str, nn.Module]
    ) -> nn.Module:
        with use_seed(learner.seed, "weights"):
            network = build(learner, phases, self.data)
        if learner.uploaded:
            network.load_state_dict(weights.load(learner.uploaded))
        if learner.begins_with:
            network.load_state_dict(networks[learner.begins_with].state_dict())
        if learner.method is not None and learner.teachers and learner.teachers[0] in networks:
            learner.method.initialise_student(
                pairs_of(learner, phases, self.data)[0], network, networks[learner.teachers[0]]
            )
        network = self.compute.placed(network, self.device)
        if learner.trunk[0]:
            role, tap = learner.trunk
            owner = next(own for own in self.trainers if own.role == role)
            network.trunk, _ = owner.learner.model.split(owner.network, tap)
        return network

    def _teachers(self, networks: Mapping[str, nn.Module]) -> dict[str, nn.Module | NetworkTrainer]:
        return {**networks, **{own.role: own for own in self.trainers}}

    @property
    def pinned(self) -> list[int]:
        """The validation examples that are followed."""
        return self._evaluator.pinned

    @property
    def networks(self) -> dict[str, nn.Module]:
        """The learning networks by role, as they are tested and kept."""
        return {learning.role: learning.evaluated_network for learning in self.trainers}

    def set_live_options(self, live: Mapping[str, float]) -> None:
        """Puts live options into force."""
        for learning in self.trainers:
            learning.set_live_options(live)

    def switch_path(self, done: int, switches: Mapping[str, int] | None, flops: Mapping[str, float]) -> list[Switched]:
        """Before the step after ``done`` others: whether it is a compiled one from here on; ``switches`` as in
        :meth:`CompiledSteps.switch`, ``flops`` of a forward pass of one example by role."""
        if self.compute.compiled and not self._is_asked:
            self._is_asked = True
            if not compile_incompatibility(self.phase, self.trainers, len(self.data.classes)):
                own = self.trainers[0]
                self.compiled = CompiledSteps(self.phase, self.trainers, self.sampler, flops[own.role])
        return self.compiled.switch(done, switches, was_on=self._was_compiled) if self.compiled else []

    @property
    def is_compiled(self) -> bool:
        """Whether steps are compiled ones."""
        return self.compiled is not None and self.compiled.is_on

    def train_steps(self, done: int, max_steps: int = 1) -> list[Step]:
        """At most that many steps after ``done`` others, of every learner, all within one epoch.

        Raises NotFiniteError, and then no weight has changed. Several steps are taken first and looked at together:
        where something was not finite they are undone, and taken again one by one.
        """
        max_steps = 1 if done < self._one_by_one or not done or self.scaler.is_enabled() else max_steps
        if max_steps <= 1 and not self.is_compiled:
            return self._step_events(done, *self._steps(done, 1, is_checked=True))
        before = self._state()
        try:
            taken = self.compiled.train_steps if self.compiled is not None and self.compiled.is_on else self._steps
            said = self._step_events(done, *taken(done, max_steps))
            weights = [value for value in self._state_now() if value.is_floating_point()]
            if not nn.utils.get_total_norm(weights).isfinite():
                raise NotFiniteError(self.trainers[0].role, "the gradient")
        except (NotFiniteError, torch.OutOfMemoryError):
            for value, kept in zip(self._state_now(), before, strict=True):
                value.copy_(kept)
            if max_steps <= 1:  # a compiled one
                return self._step_events(done, *self._steps(done, 1, is_checked=True))
            self._one_by_one = done + max_steps
            return self.train_steps(done)
        return said

    def _steps(self, done: int, most: int, *, is_checked: bool = False) -> tuple[list[_Taken], list[float]]:
        """So many steps, and the values of all of their parts, read from the device in one go."""
        taken = [self._one_step(at, is_checked=is_checked) for at in range(done, done + most)]
        parts = [part.value.detach() for step, _ in taken for own in step.values() for part in own]
        return taken, torch.stack(parts).tolist()

    @torch.no_grad()
    def _one_step(self, done: int, *, is_checked: bool) -> _Taken:
        """What each learner lost, and the learning rate of the first."""
        epoch = done // self.steps_per_epoch
        course = rate_factor(self.phase.recipe, done, self.steps)
        batches = {own.role: self.sampler.batch(own.learner.sees, done) for own in self.trainers}
        for own in self.trainers:
            own.set_rate(course)
            own.forward(batches[own.role], done)
        losses = {own.role: own.loss(batches[own.role], done, epoch) for own in self.trainers}
        if is_checked:
            for role, loss in losses.items():
                loss_values(role, loss.parts, [part.value.item() for part in loss.parts])
        for own in self.trainers:
            own.zero_grad()
        for own in self.trainers:
            own.backward(losses[own.role])
        for own in self.trainers:
            own.clip_gradient(is_checked=is_checked)
        for own in self.trainers:
            own.update()
        if self.scaler.is_enabled():
            self.scaler.update()
        return {role: loss.parts for role, loss in losses.items()}, self.trainers[0].optimiser.rate

    def _step_events(self, done: int, taken: list[_Taken], values: list[float]) -> list[Step]:
        """The steps as events. Raises NotFiniteError."""
        left, said = iter(values), []
        for at, (step, rate) in enumerate(taken, start=done):
            numbers = {role: loss_values(role, own, list(islice(left, len(own)))) for role, own in step.items()}
            said.append(
                Step(
                    self.phase.name,
                    at + 1,
                    at // self.steps_per_epoch + 1,
                    {role: each for role, (each, _) in numbers.items()},
                    {role: whole for role, (_, whole) in numbers.items()},
                    rate,
                )
            )
        return said

    def _state_now(self) -> list[torch.Tensor]:
        if self.compiled is not None and self.compiled.is_on:
            return self.compiled.tensors
        return [value for own in self.trainers for value in own.state_tensors()]

    def _state(self) -> list[torch.Tensor]:
        return [value.clone() for value in self._state_now()]

    def is_evaluation_due(self, done: int) -> bool:
        """At the end, and after every epoch, or every few of a long phase."""
        every = 1 if self.phase.until else self.steps_per_epoch * epochs_per_evaluation(self.phase)
        return done == self.steps or done % every == 0

    def evaluate(self, done: int) -> list[Event]:
        """What the networks answer now. Raises NotFiniteError."""
        said = self._evaluator.evaluate(done, done // self.steps_per_epoch, self.networks)
        assert isinstance(said[0], Validated)
        recipe = self.phase.recipe
        if done and (recipe.patience or recipe.keep == BEST):
            for own in self.trainers:
                # Networks that share layers go back together: the owner of the layers decides.
                judge = own.learner.trunk[0] or own.role
                self.best[own.role].update(
                    said[0].accuracy[judge], done, -(-done // self.steps_per_epoch), own.evaluated_network
                )
        is_over = bool(recipe.patience) and all(
            best.evaluations_since >= recipe.patience for best in self.best.values()
        )
        self.should_stop = is_over or is_target_reached(self.phase, said[0])
        self._keep_weights()
        return said

    def _keep_weights(self) -> None:
        if not self._last_finite:
            self._last_finite = {role: WeightsCopy(network) for role, network in self.networks.items()}
            return
        for good in self._last_finite.values():
            good.take()

    def restore_finite_weights(self) -> str:
        """After a NotFiniteError: goes back to the last weights whose answers are finite, and says which."""
        if all(predict_logits(network, self._evaluator.inputs).isfinite().all() for network in self.networks.values()):
            return "the weights before it are kept"
        for role, network in self.networks.items():
            network.load_state_dict(self._last_finite[role].weights)
        return "the weights of the last look before it are kept"

    def largest_batch_size(self) -> int:
        """After the device ran out of memory: see :func:`kd_core.training.dry_run.largest_batch`."""
        return largest_batch(self.trainers, self.sampler, self.phase.recipe.batch_size // 2)

    def finish(self, done: int) -> list[Event]:
        """The networks are trained, after ``done`` steps: from here on they can only teach. Where the best weights are
        to be kept and are not the last ones, what was gone back to."""
        epoch, said = -(-done // self.steps_per_epoch), []
        back = {role: best.epoch for role, best in self.best.items() if best.weights and best.step != done}
        if self.phase.recipe.keep == BEST and back:
            for role in back:
                self.networks[role].load_state_dict(self.best[role].weights)
            said = [Restored(self.phase.name, done, back), *self._evaluator.evaluate(done, epoch, self.networks)]
        if self.compiled is not None:
            self.compiled.end()
        for network in self.networks.values():
            freeze(network)
        return said

    def save_state(self, state: Checkpoint) -> None:
        """The optimisers' state and the adaptors; the weights are stored with all other networks."""
        for own in self.trainers:
            state.put(f"optimiser/{own.role}", own.optimiser.state_tensors())
            state.put(f"adaptors/{own.role}", own.adapter_tensors())
            state.put(f"average/{own.role}", own.average_tensors())
            state.put(f"best/{own.role}", self.best[own.role].weights)
        state.values["best"] = {
            role: [best.accuracy, best.step, best.epoch, best.evaluations_since] for role, best in self.best.items()
        }
        state.values["scaler"] = self.scaler.state_dict()
        state.values["compiled"] = [self.is_compiled, self.compiled is not None and self.compiled.is_over]

    def load_state(self, state: Checkpoint, should_stop: bool) -> None:
        """Weights and optimisers as they were."""
        for own in self.trainers:
            own.evaluated_network.load_state_dict(state.get(f"network/{own.role}"))
            own.load_average_tensors(state.get(f"average/{own.role}"))
            own.load_adapter_tensors(state.get(f"adaptors/{own.role}"))
            own.optimiser.load(state.get(f"optimiser/{own.role}"))
            accuracy, step, epoch, waited = state.values.get("best", {}).get(own.role, (-1.0, 0, 0, 0))
            self.best[own.role] = BestWeights(accuracy, step, epoch, waited, state.get(f"best/{own.role}"))
        if self.scaler.is_enabled():
            self.scaler.load_state_dict(state.values["scaler"])
        self.should_stop = should_stop
        self._was_compiled, self._is_asked = state.values.get("compiled", (False, False))
        self._keep_weights()
