"""What a run's networks answered: its snapshots asked again, about any example of the data and about new inputs."""

from __future__ import annotations

import base64
import functools
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from kd_core.analysis.drawing import network_input
from kd_core.base.devices import limit_threads
from kd_core.base.events import Event, Finished, Validated
from kd_core.base.metrics import best_temperature
from kd_core.config.derived_networks import build_derived
from kd_core.config.plan import TEACHER, DerivedPlan, build, steps_per_epoch
from kd_core.datasets import Split, load
from kd_core.nn.inference import freeze, predict_logits
from kd_core.schemes import plan_of
from kd_core.store import weight_snapshots
from kd_core.store.store import Run, Store

MOST_EXAMPLES = 2000  # of a split, spread evenly over it
MOST_LOGITS = 30_000  # of a network on a split: fewer examples where there are many classes
TELLING = 0.9
GONE = "The weights of this moment are no longer stored. Choose another epoch."
TEST, VALIDATION, TAUGHT = "test", "validation", "taught"  # "taught": what the student was shown, labels as given


@dataclass(frozen=True)
class WeightSnapshot:
    """A look whose weights were kept. ``number`` is that of its event."""

    number: int
    phase: str
    epoch: int
    roles: tuple[str, ...]


class Replay:
    """One run, as far as it has come. Raises ValueError for a run that this installation cannot read."""

    def __init__(self, store: Store, run: Run) -> None:
        self.store, self.run, self.config = store, run, run.config
        self.data = load(self.config.dataset)
        self.rewinds = store.rewinds(run.id)
        self._answered: dict[WeightSnapshot, dict[str, dict[str, Tensor]]] = {}
        self._all = [self._moment(number, event) for number, event in store.snapshots(run.id)]

    @property
    def snapshots(self) -> list[WeightSnapshot]:
        """Those of the latest phase, one per epoch; the networks of earlier phases stay what they were at their end."""
        latest = {moment.epoch: moment for moment in self._all if moment.phase == self._all[-1].phase}
        return list(latest.values())

    def snapshot(self, number: int) -> WeightSnapshot:
        """The moment of that number, in whatever phase. Raises ValueError if it is no longer stored."""
        found = next((moment for moment in self._all if moment.number == number), None)
        if found is None:
            raise ValueError(GONE)
        return found

    def snapshot_at(self, epoch: int) -> WeightSnapshot:
        """The last moment at or before an epoch, or the first of all; -1 is the end. Raises ValueError without any."""
        moments = self.snapshots
        if not moments:
            raise ValueError("This run kept no weights, so its networks cannot be asked any more. Train it again.")
        before = [moment for moment in moments if epoch < 0 or moment.epoch <= epoch]
        return (before or moments[:1])[-1]

    @property
    def visible_split(self) -> str:
        """The split whose examples may be looked at: the test split once the run is over, till then validation."""
        return VALIDATION if self.run.test is None else TEST

    @functools.cached_property
    def splits(self) -> dict[str, Split]:
        """Examples by split; a large split is thinned out. See :data:`MOST_EXAMPLES`."""
        found = {
            VALIDATION: self._thinned(self.data.validation),
            TAUGHT: self._thinned(self.config.labels.apply(self.data, self.config.seed)),
        }
        return found if self.visible_split == VALIDATION else {TEST: self._thinned(self.data.test), **found}

    def rows(self, split: str) -> list[int]:
        """Positions of :attr:`splits` in the whole split."""
        full = {VALIDATION: self.data.validation, TEST: self.data.test}[split]
        return _rows(len(full), len(self.data.classes))

    def browser_payload(self, moment: WeightSnapshot, is_first: bool) -> dict[str, Any]:
        """For the browser: ``logits[role][split]`` (examples, classes) as base64 of float32, and all ``roles``.

        The logits of networks of earlier phases, which no longer change, are left out unless it ``is_first``.
        """
        logits = self.logits(moment)
        changing = {*moment.roles, *(made.role for made in self._derived if set(made.sources) & set(moment.roles))}
        sent = {
            role: {split: _as_text(rows) for split, rows in by_split.items()}
            for role, by_split in logits.items()
            if is_first or role in changing
        }
        return {"moment": moment.number, "roles": list(logits), "logits": sent}

    def logits(self, moment: WeightSnapshot) -> dict[str, dict[str, Tensor]]:
        """Logits (examples, classes) by role and split."""
        if moment not in self._answered:
            with limit_threads():
                self._answered[moment] = {
                    role: {name: predict_logits(network, split.inputs) for name, split in self.splits.items()}
                    for role, network in self.networks(moment).items()
                }
        return self._answered[moment]

    def answer(self, moment: WeightSnapshot, drawing: str) -> dict[str, list[float]]:
        """Every network's logits (classes) for a drawing (see :mod:`kd_core.analysis.drawing`). Raises ValueError."""
        inputs = network_input(self.data, drawing)
        with limit_threads():
            return {
                role: predict_logits(network, inputs)[0].tolist() for role, network in self.networks(moment).items()
            }

    def most_informative(self, moment: WeightSnapshot) -> int:
        """The example of the shown split that temperature has most to show on: the teacher (or the first network, if
        there is none) gets it right and is about :data:`TELLING` sure. Less, and T has nothing to soften."""
        labels, logits = self.splits[self.visible_split].labels, self.logits(moment)
        shares = (logits.get(TEACHER) or next(iter(logits.values())))[self.visible_split].softmax(1)
        certainty, answer = shares.max(1)
        distance = (certainty - TELLING).abs() + (answer != labels)  # a wrong answer is at least 1 away
        return int(distance.argmin())

    def best_temperatures(self, moment: WeightSnapshot, low: float, high: float) -> dict[str, float]:
        """The temperature within [low, high] with the least loss on validation data, by role."""
        labels = self.splits[VALIDATION].labels
        return {
            role: best_temperature(by_split[VALIDATION], labels, low, high)
            for role, by_split in self.logits(moment).items()
        }

    def networks(self, moment: WeightSnapshot) -> dict[str, nn.Module]:
        """The networks by role as they were at that moment, frozen."""
        latest = {role: past.number for past in self._all if past.number <= moment.number for role in past.roles}
        found = {
            role: _networks(self.store, self.run.id, self.rewinds, number)[role] for role, number in latest.items()
        }
        for derived in self._derived:
            if set(derived.sources) <= set(found):
                found[derived.role] = build_derived(derived, found, self.data, torch.device("cpu"))
        return found

    @functools.cached_property
    def _derived(self) -> list[DerivedPlan]:
        return [derived for phase in plan_of(self.config) for derived in phase.derived]

    def _moment(self, number: int, event: Event) -> WeightSnapshot:
        """From what was said with the weights: a look, or the end of a run that was stopped or failed."""
        if isinstance(event, Finished):
            phase = next(phase for phase in plan_of(self.config) if phase.name == event.phase)
            epoch = event.step // steps_per_epoch(phase, self.data)
            made = {derived.role for derived in self._derived}
            return WeightSnapshot(
                number, event.phase, epoch, tuple(role for role in event.test_accuracy if role not in made)
            )
        assert isinstance(event, Validated)
        return WeightSnapshot(number, event.phase, event.epoch, tuple(event.accuracy))

    def _thinned(self, split: Split) -> Split:
        rows = _rows(len(split), len(self.data.classes))
        return Split(split.inputs[rows], split.labels[rows])


def _rows(count: int, classes: int) -> list[int]:
    most = min(count, MOST_EXAMPLES, max(1, MOST_LOGITS // classes))
    return torch.linspace(0, count - 1, most).round().long().tolist() if most < count else list(range(count))


def _as_text(logits: Tensor) -> str:
    return base64.b64encode(logits.contiguous().numpy().tobytes()).decode()


@functools.lru_cache(maxsize=16)
def _networks(store: Store, run: str, rewinds: int, number: int) -> dict[str, nn.Module]:  # noqa: ARG001
    """``rewinds`` is part of the key: what is said again has the same numbers, and not always the same weights."""
    row, weights = store.run(run), store.weights(run, number)
    if row is None or weights is None:
        raise ValueError(GONE)
    config, data = row.config, load(row.config.dataset)
    phases = plan_of(config)
    learners = {own.role: own for phase in phases for own in phase.learners}
    networks = {}
    for role, state in weight_snapshots.deserialize_weights(weights).items():
        with torch.device("meta"):  # no number is drawn: a run that begins now has torch's generator to itself
            network = build(learners[role], phases, data)
        network.load_state_dict(state, assign=True)
        networks[role] = freeze(network)
    return networks
