"""Trained network without its smallest weights or channels, as the start of another training."""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Self

import torch
from torch import nn

from kd_core.base.options import choice, number, text
from kd_core.base.registry import make
from kd_core.files.content_store import ContentStore
from kd_core.models import Model
from kd_core.models._pruning import CHANNELS, KINDS, MOST, WEIGHTS, can_prune, keep_zeros, prune
from kd_core.tasks import Task

_store = ContentStore("weights")  # of kd_core.nn.weights, which stands after this package


class Source(NamedTuple):
    """Family, input shape and number of classes of a network whose weights are stored."""

    model: Model
    shape: tuple[int, ...]
    classes: int


@dataclass(frozen=True)
class PrunedNetwork(Model):
    """Network of stored weights after pruning.

    Training goes on from the weights that are left. Removed single weights stay zero.
    Muralidharan et al., "Compact Language Models via Pruning and Knowledge Distillation" (2024).
    """

    title: ClassVar[str] = "pruned network"
    summary: ClassVar[str] = "A trained network without its smallest weights or channels, which is trained further."
    family: ClassVar[str] = "compressed"
    can_be_stacked: ClassVar[bool] = False  # a stack has no hooks, which keep removed weights at zero

    source: str = text(
        "", 32, "Id of the stored weights that are pruned; the Compress page fills it in.", label="Weights to prune"
    )
    fraction: float = number(
        0.5, 0.0, MOST, "Fraction of the weights, or of the channels of every layer, that is removed.", step=0.05,
        label="Fraction to prune",
    )  # fmt: skip
    kind: str = choice(
        CHANNELS, KINDS, "Whole channels, which makes the layers smaller, or single weights, which become zeros.",
        label="What is pruned",
    )  # fmt: skip

    @property
    def _source(self) -> Source | None:
        """What is known of the stored weights; None if there are none."""
        return _read_source(self.source) if _store.contains(self.source) else None

    def task_refusal(self, task: Task) -> str:
        source = self._source
        return source.model.task_refusal(task) if source else super().task_refusal(task)

    def unsupported_reason(self, shape: tuple[int, ...]) -> str:
        if not self.source:
            return "is made from a trained one: open a finished run on the Compress page"
        source = self._source
        if source is None:
            return f"needs the stored weights {self.source}, which are not on this machine"
        if source.shape != tuple(shape):
            return "was trained on inputs of another shape"
        if not can_prune(self.kind):
            return 'needs torch-pruning where channels are removed: pip install "distillery-lab[compress]"'
        return ""

    def refusal(self, shape: tuple[int, ...], classes: int, *, is_trained: bool = False, is_split: bool = False) -> str:
        reason = self.unsupported_reason(shape)
        source = self._source
        if reason or source is None:
            return reason
        if source.classes != classes:
            return f"was trained for {source.classes} classes, and there are {classes}"
        return source.model.refusal(shape, classes, is_trained=is_trained, is_split=is_split)

    def build(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        """Build the pruned network with the weights that are left.

        Raises ValueError where its source is missing or of another shape, and ImportError without torch-pruning.
        """
        if reason := self.unsupported_reason(shape):
            raise ValueError(f"A pruned network {reason}.")
        device = torch.get_default_device()
        with torch.device("cpu"):  # what is removed depends on the weights, which the meta device does not have
            network = copy.deepcopy(_pruned(self, tuple(shape), classes))
        if device.type == "meta":
            return network.to(device)
        if self.kind == WEIGHTS:
            keep_zeros(network)
        return network

    def feature_layers(self) -> dict[str, str]:
        source = self._source
        return source.model.feature_layers() if source else {}

    def attention_layers(self) -> dict[str, str]:
        source = self._source
        return source.model.attention_layers() if source else {}

    def token_layers(self) -> tuple[str, str]:
        source = self._source
        return source.model.token_layers() if source else ("", "")

    def cuttable_layers(self) -> list[str]:
        source = self._source
        return source.model.cuttable_layers() if source else []

    def split(self, network: nn.Module, layer: str) -> tuple[nn.Sequential, nn.Sequential]:
        source = self._source
        return source.model.split(network, layer) if source else super().split(network, layer)

    def stages(self, shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
        source = self._source
        return source.model.stages(shapes) if source else super().stages(shapes)

    def scaled(self, factor: float) -> Self:
        """Return a network of which more is removed, in proportion where channels are."""
        return self.with_values(fraction=min(MOST, 1 - (1 - self.fraction) * factor))

    def label(self) -> str:
        source = self._source
        name = source.model.label() if source else self.title
        return f"{name}, {100 * self.fraction:.0f} % of its {self.kind} pruned"


@functools.lru_cache(maxsize=64)
def _read_source(key: str) -> Source | None:
    """Return what is stored with some weights; their id determines it."""
    facts = _store.metadata(key) or {}
    try:
        shape, classes = tuple(json.loads(facts["shape"])), int(json.loads(facts["classes"]))
        return Source(make("models", json.loads(facts["model"])), shape, classes)
    except (KeyError, ValueError, TypeError):  # damaged, or of a family that is not installed here
        return None


@functools.lru_cache(maxsize=4)
def _pruned(model: PrunedNetwork, shape: tuple[int, ...], classes: int) -> nn.Module:
    """Return the pruned network, which is built many times for one run."""
    source = _read_source(model.source)
    assert source is not None, "the caller has checked it"
    with torch.device("meta"):  # draws no random number, which could change a run that starts now
        network = source.model.build(shape, classes)
    network.load_state_dict(_store.tensors(model.source), assign=True)
    return prune(network, model.fraction, model.kind, torch.zeros(2, *shape))
