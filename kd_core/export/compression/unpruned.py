"""Trained network of a stored run before it is compressed, and the run that distils from it again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from kd_core.analysis.replay import open_replay
from kd_core.base.paths import artefact_folder
from kd_core.config.plan import LearnerPlan, find_by_role
from kd_core.config.recipe import TeacherRecipe
from kd_core.config.run import RunConfig
from kd_core.datasets import Data, load
from kd_core.export.compression.cache import MeasurementCache
from kd_core.methods.soft_targets import SoftTargets
from kd_core.models import Model
from kd_core.models.pruned import PrunedNetwork
from kd_core.nn import weights
from kd_core.schemes import plan_of
from kd_core.schemes.offline import Offline
from kd_core.store.store import Run, Store

FILE = "compression.json"  # in the folder of a run


@dataclass(frozen=True)
class Unpruned:
    """Network of one role of a run, in eval mode and without gradients."""

    run: Run
    role: str
    model: Model
    network: nn.Module
    data: Data
    cache: MeasurementCache
    version: str  # of the weights, which change when a stopped run is resumed

    def key(self, *parts: object) -> str:
        """Return a key of the cache for something that depends on these weights and on ``parts``."""
        return " ".join(map(str, (self.role, self.version, *parts)))

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one input."""
        return tuple(self.data.shape)

    @property
    def weights_id(self) -> str:
        """Id of the stored weights; empty before :meth:`store_weights`."""
        key = self.cache.get(self.key("weights"), "")
        return key if weights.find(key) is not None else ""

    def store_weights(self) -> str:
        """Store the weights as those of a network to start from, and return their id. Raises ValueError."""
        name = f"{self.role} of run {self.run.id}"
        key = weights.add(name, weights.export(self.network), self.model, self.shape, len(self.data.classes))
        self.cache.put(self.key("weights"), key)
        return key


def open_unpruned(store: Store, run: Run, role: str) -> Unpruned:
    """Return the network of a role at the end of a run.

    Raises:
        ValueError: if the run has not ended, its weights are not stored, or the network is not one of a family, since
            it is made of others or has taken over a part of its teacher.
    """
    if run.test is None:
        raise ValueError(f"The run {run.id} has no result yet. Wait until it has ended, or resume it.")
    config, replay = run.config, open_replay(store, run)
    snapshot = replay.snapshot_at(-1)
    networks = replay.networks(snapshot)
    if role not in networks:
        raise ValueError(f"role = {role}: choose one of {', '.join(networks)}, the networks of the run {run.id}.")
    plan, data = find_by_role(plan_of(config), role), load(config.dataset)
    network = networks[role]
    if not isinstance(plan, LearnerPlan) or not _is_plain(plan, network, data):
        raise ValueError(f"The {role} of the run {run.id} shares layers with another network: choose another one.")
    path = artefact_folder(store.path.parent, "runs", run.id) / FILE
    version = f"{store.rewinds(run.id)}/{snapshot.number}"
    return Unpruned(run, role, plan.model, network, data, MeasurementCache(path), version)


def roles_of(store: Store, run: Run) -> list[str]:
    """Return the roles of a finished run whose networks can be compressed, student first."""
    roles = []
    for role in sorted(run.test or {}, key=lambda role: (role != "student", role)):
        try:
            roles.append(open_unpruned(store, run, role).role)
        except ValueError:
            continue
    return roles


def second_run(unpruned: Unpruned, source: str, fraction: float, kind: str, **settings: Any) -> RunConfig:
    """Return the run that distils from the unpruned network into the pruned one.

    Its baseline is the same pruned network, fine-tuned on the labels alone with as many updates. Method, data and
    hyper-parameters are those of the first run, unless ``settings`` (flat names) change them; a method that does not
    fit the pruned network is replaced by soft targets. Raises ValueError for settings that do not fit.
    """
    first = unpruned.run.config
    pruned = PrunedNetwork(source=source, fraction=fraction, kind=kind)
    parts = {
        "dataset": first.dataset, "teacher": unpruned.model, "student": pruned, "scheme": Offline(),
        "labels": first.labels, "recipe": first.recipe, "basics": first.basics.with_values(control=True),
        "teacher_recipe": TeacherRecipe(epochs=0, weights=source), "augmentation": first.augmentation,
        "compute": first.compute,
    }  # fmt: skip
    try:
        config = RunConfig(**parts, method=first.method)
    except ValueError:
        config = RunConfig(**parts, method=SoftTargets())
    return config.with_flat(**settings) if settings else config


def _is_plain(plan: LearnerPlan, network: nn.Module, data: Data) -> bool:
    """Return whether a network is exactly what its family builds."""
    if plan.trunk[0] or plan.classes or not plan.model.is_at_hand:
        return False
    with torch.device("meta"):
        state = plan.model.build(tuple(data.shape), len(data.classes)).state_dict()
    actual = network.state_dict()
    return list(state) == list(actual) and all(state[name].shape == actual[name].shape for name in state)
