"""Replay of the stored weights of a run on its data set and on new inputs."""

from __future__ import annotations

import base64
import functools
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from kd_core.analysis.examples import thumbnails
from kd_core.analysis.examples.drawing import network_input
from kd_core.base.devices import limit_threads
from kd_core.base.events import Event, Finished, Validated
from kd_core.base.metrics import best_temperature
from kd_core.config.derived_networks import build_derived
from kd_core.config.plan import TEACHER, DerivedPlan, build, steps_per_epoch
from kd_core.config.run import RunConfig
from kd_core.datasets import Split, load
from kd_core.nn.inference import freeze, predict_logits
from kd_core.schemes import plan_of
from kd_core.store import weight_snapshots
from kd_core.store.store import Run, Store

MAX_EXAMPLES = 2000  # of a split, spread evenly over it
MAX_LOGITS = 30_000  # of a network on a split: fewer examples where there are many classes
INFORMATIVE_CONFIDENCE = 0.9
MISSING = "The weights of this epoch are no longer stored. Choose another epoch."
TEST, VALIDATION, TAUGHT = "test", "validation", "taught"  # "taught": the student's examples and labels
MAX_REPLAYS = 4  # shared by all sessions
MAX_RESULTS = 32  # of a replay that stay in memory, such as the networks and the logits of 16 snapshots


@dataclass(frozen=True)
class WeightSnapshot:
    """An evaluation whose weights were stored. ``number`` is that of its event."""

    number: int
    phase: str
    epoch: int
    roles: tuple[str, ...]


class Replay:
    """Stored networks of one run and their answers, which stay in memory. Safe to use from several threads.

    Raises ValueError for a run that this installation cannot read.
    """

    def __init__(self, store: Store, run: Run) -> None:
        self.store, self.run, self.config = store, run, run.config
        self.data = load(self.config.dataset)
        self.rewinds = store.rewinds(run.id)
        self._snapshots: list[WeightSnapshot] = []
        self.refresh()
        # A cache that decorates a method keeps every instance alive; this one belongs to its instance.
        self._cached = functools.lru_cache(MAX_RESULTS)(lambda compute, *arguments: compute(*arguments))

    def refresh(self) -> None:
        """Read the snapshots stored so far."""
        self._snapshots = [self._snapshot_of(number, event) for number, event in self.store.snapshots(self.run.id)]

    @functools.cached_property
    def _usable(self) -> dict[str, bool]:
        """Whether this process can compute the outputs of each trained network, by role."""
        learners = [learner for phase in plan_of(self.config) for learner in phase.learners]
        return {one.role: one.model.is_at_hand and one.model.takes_new_inputs for one in learners}

    @property
    def unusable_reason(self) -> str:
        """Why the networks of the run cannot be computed, as a sentence; empty if they can."""
        return unusable_reason(self.config)

    @property
    def snapshots(self) -> list[WeightSnapshot]:
        """Snapshots of the latest phase, one per epoch; networks of earlier phases stay as they were at their end.

        There are none of networks that this process cannot compute.
        """
        if self.unusable_reason:
            return []
        phase = self._snapshots[-1].phase if self._snapshots else ""
        return list({snapshot.epoch: snapshot for snapshot in self._snapshots if snapshot.phase == phase}.values())

    def snapshot(self, number: int) -> WeightSnapshot:
        """Return the snapshot of that number, in any phase. Raises ValueError if it is no longer stored."""
        for snapshot in self._snapshots:
            if snapshot.number == number:
                return snapshot
        raise ValueError(MISSING)

    def snapshot_before(self, number: int) -> WeightSnapshot | None:
        """Return the last snapshot up to the event of a number, in any phase; None if there is none."""
        return next((past for past in reversed(self._snapshots) if past.number <= number), None)

    def snapshot_at(self, epoch: int) -> WeightSnapshot:
        """Return the last snapshot up to an epoch, or else the first; -1 is the end. Raises ValueError without any."""
        snapshots = self.snapshots
        if self.unusable_reason:
            raise ValueError(self.unusable_reason)
        if not snapshots:
            raise ValueError("No weights of this run are stored, so its networks cannot be used. Train it again.")
        before = [snapshot for snapshot in snapshots if epoch < 0 or snapshot.epoch <= epoch]
        return (before or snapshots[:1])[-1]

    @property
    def visible_split(self) -> str:
        """The split whose examples may be shown, validation during the run and the test set afterwards."""
        return VALIDATION if self.run.test is None else TEST

    @functools.cached_property
    def splits(self) -> dict[str, Split]:
        """Examples by split, at most :data:`MAX_EXAMPLES` of each."""
        splits = {
            VALIDATION: self._thinned(self.data.validation),
            TAUGHT: self._thinned(self.config.labels.apply(self.data, self.config.seed)),
        }
        return splits if self.visible_split == VALIDATION else {TEST: self._thinned(self.data.test), **splits}

    def rows(self, split: str) -> list[int]:
        """Return the positions of the examples of :attr:`splits` in the whole split."""
        full = {VALIDATION: self.data.validation, TEST: self.data.test}[split]
        return _spread_rows(len(full), len(self.data.classes))

    @functools.cached_property
    def browser_examples(self) -> dict[str, Any]:
        """Labels and positions by split, and images or points of the visible split, for the browser."""
        splits = {
            name: {"labels": split.labels.tolist(), "rows": self.rows(name) if name != TAUGHT else []}
            for name, split in self.splits.items()
        }
        inputs = self.splits[self.visible_split].inputs
        if self.data.is_planar:
            sheet, points = None, [[round(x, 4), round(y, 4)] for x, y in inputs.tolist()]
        else:
            sheet, points = asdict(thumbnails.sheet(self.data, inputs)), None
        return {"classes": list(self.data.classes), "splits": splits, "sheet": sheet, "points": points}

    def browser_payload(self, snapshot: WeightSnapshot, is_first: bool) -> dict[str, Any]:
        """Return ``logits[role][split]`` (examples, classes) as base64 of float32, and all ``roles``.

        Networks of earlier phases no longer change: their logits are left out unless the payload ``is_first``.
        """
        logits = self.logits(snapshot)
        changing = {*snapshot.roles, *(plan.role for plan in self._derived if set(plan.sources) & set(snapshot.roles))}
        encoded = {
            role: {split: _encode(rows) for split, rows in by_split.items()}
            for role, by_split in logits.items()
            if is_first or role in changing
        }
        return {"snapshot": snapshot.number, "roles": list(logits), "logits": encoded}

    def logits(self, snapshot: WeightSnapshot) -> dict[str, dict[str, Tensor]]:
        """Return the logits (examples, classes) by role and split."""
        logits: dict[str, dict[str, Tensor]] = self._cached(self._compute_logits, snapshot)
        return logits

    def predict_drawing(self, snapshot: WeightSnapshot, drawing: str) -> dict[str, list[float]]:
        """Return the logits (classes) of a drawing by role.

        Raises ValueError; see :mod:`kd_core.analysis.examples.drawing`.
        """
        inputs = network_input(self.data, drawing)
        with limit_threads():
            return {
                role: predict_logits(network, inputs)[0].tolist() for role, network in self.networks(snapshot).items()
            }

    def most_informative(self, snapshot: WeightSnapshot) -> int:
        """Return the position of the visible example on which temperature has the clearest effect.

        The teacher (or the first network, if there is none) classifies it correctly with a confidence of about
        :data:`INFORMATIVE_CONFIDENCE`. With less confidence there is little to soften.
        """
        labels, logits = self.splits[self.visible_split].labels, self.logits(snapshot)
        probabilities = (logits.get(TEACHER) or next(iter(logits.values())))[self.visible_split].softmax(1)
        confidence, answers = probabilities.max(1)
        distance = (confidence - INFORMATIVE_CONFIDENCE).abs() + (
            answers != labels
        )  # wrong answers are at least 1 away
        return int(distance.argmin())

    def best_temperatures(self, snapshot: WeightSnapshot, low: float, high: float) -> dict[str, float]:
        """Return the temperature in [low, high] with the lowest validation loss, by role."""
        temperatures: dict[str, float] = self._cached(self._fit_temperatures, snapshot, low, high)
        return temperatures

    def roles(self, snapshot: WeightSnapshot) -> list[str]:
        """Return the roles of all networks that exist at a snapshot."""
        roles = list(self._latest_numbers(snapshot))
        for plan in self._derived:
            if set(plan.sources) <= set(roles):
                roles.append(plan.role)
        return roles

    def networks(self, snapshot: WeightSnapshot) -> dict[str, nn.Module]:
        """Return the frozen networks by role as they were at a snapshot."""
        networks = {
            role: self._cached(self._load_networks, number)[role]
            for role, number in self._latest_numbers(snapshot).items()
        }
        for plan in self._derived:
            if set(plan.sources) <= set(networks):
                networks[plan.role] = build_derived(plan, networks, self.data, torch.device("cpu"))
        return networks

    @functools.cached_property
    def _derived(self) -> list[DerivedPlan]:
        return [derived for phase in plan_of(self.config) for derived in phase.derived]

    def _latest_numbers(self, snapshot: WeightSnapshot) -> dict[str, int]:
        """Return the number of the latest snapshot of every network up to ``snapshot``, by role."""
        return {
            role: past.number
            for past in self._snapshots
            if past.number <= snapshot.number
            for role in past.roles
            if self._usable[role]
        }

    def _snapshot_of(self, number: int, event: Event) -> WeightSnapshot:
        """Return the snapshot of an event with weights, an evaluation or the end of a stopped or failed run."""
        if isinstance(event, Finished):
            phase = next(phase for phase in plan_of(self.config) if phase.name == event.phase)
            derived = {plan.role for plan in self._derived}
            roles = tuple(role for role in event.test_accuracy if role not in derived)
            return WeightSnapshot(number, event.phase, event.step // steps_per_epoch(phase, self.data), roles)
        assert isinstance(event, Validated)
        return WeightSnapshot(number, event.phase, event.epoch, tuple(event.accuracy))

    def _thinned(self, split: Split) -> Split:
        rows = _spread_rows(len(split), len(self.data.classes))
        return Split(split.inputs[rows], split.labels[rows])

    def _load_networks(self, number: int) -> dict[str, nn.Module]:
        """Return the networks stored with an event. Raises ValueError if their weights are no longer stored."""
        stored = self.store.weights(self.run.id, number)
        if stored is None:
            raise ValueError(MISSING)
        phases = plan_of(self.config)
        learners = {learner.role: learner for phase in phases for learner in phase.learners}
        networks = {}
        for role, state in weight_snapshots.deserialize_weights(stored).items():
            if not self._usable[role]:
                continue
            with torch.device("meta"):  # draws no random number, which could change a run that starts now
                network = build(learners[role], phases, self.data)
            network.load_state_dict(state, assign=True)
            networks[role] = freeze(network)
        return networks

    def _compute_logits(self, snapshot: WeightSnapshot) -> dict[str, dict[str, Tensor]]:
        with limit_threads():
            return {
                role: {name: predict_logits(network, split.inputs) for name, split in self.splits.items()}
                for role, network in self.networks(snapshot).items()
            }

    def _fit_temperatures(self, snapshot: WeightSnapshot, low: float, high: float) -> dict[str, float]:
        labels = self.splits[VALIDATION].labels
        return {
            role: best_temperature(by_split[VALIDATION], labels, low, high)
            for role, by_split in self.logits(snapshot).items()
        }


def unusable_reason(config: RunConfig) -> str:
    """Return why this process cannot compute the student of a run, as a sentence; empty if it can."""
    if config.student.is_at_hand:
        return ""
    return (
        f"The student {config.student.title} was given from Python, and its forward pass could not be stored, so its "
        "outputs cannot be computed here. Curves and results are complete; in Python, kd.load_run computes them."
    )


def open_replay(store: Store, run: Run) -> Replay:
    """Return the replay of a run that all sessions share, with the snapshots stored so far.

    Raises ValueError for a run that this installation cannot read.
    """
    replay = _shared_replay(store, run.id, store.rewinds(run.id), run.test is not None)
    if run.test is None:
        replay.refresh()
    return replay


@functools.lru_cache(maxsize=MAX_REPLAYS)
def _shared_replay(store: Store, run: str, rewinds: int, is_tested: bool) -> Replay:  # noqa: ARG001
    """Return a new replay; after a rewind the same event numbers may have other weights, so ``rewinds`` is a key."""
    row = store.run(run)
    if row is None:
        raise ValueError(MISSING)
    return Replay(store, row)


def _spread_rows(count: int, classes: int) -> list[int]:
    limit = min(count, MAX_EXAMPLES, max(1, MAX_LOGITS // classes))
    return torch.linspace(0, count - 1, limit).round().long().tolist() if limit < count else list(range(count))


def _encode(logits: Tensor) -> str:
    return base64.b64encode(logits.contiguous().numpy().tobytes()).decode()
