"""Chain of pruning, distillation from the unpruned network, its control, and int8, as one table.

The chain of Muralidharan et al., "Compact Language Models via Pruning and Knowledge Distillation" (2024), in miniature.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from torch import nn

from kd_core.base.devices import limit_threads
from kd_core.config.plan import BASELINE, STUDENT, TEACHER
from kd_core.config.run import RunConfig
from kd_core.export.compression.int8 import STATIC, OnnxNetwork, quantisations
from kd_core.export.compression.onnx_export import export_beside_training
from kd_core.export.compression.stages import (
    INT8,
    PlannedStage,
    Stage,
    int8_file,
    int8_sentence,
    measure_stages,
    metrics_on_test,
)
from kd_core.export.compression.unpruned import Unpruned, open_unpruned, roles_of, second_run
from kd_core.models._pruning import prune
from kd_core.store.records import COMPLETED, family_of
from kd_core.store.store import Run, Store

if TYPE_CHECKING:
    import pandas as pd

PRUNED, AGAIN, TUNED = "pruned", "distilled again", "fine-tuned"  # names of stages
COLUMNS = (
    "stage", "accuracy", "low", "high", "agreement", "parameters", "nonzero", "bytes", "ms, 1 example",
    "ms, 64 examples", "engine", "run",
)  # fmt: skip


@dataclass(frozen=True)
class Compression:
    """Stages of the compression of one network of a run, and a sentence on the speed of int8, if it was measured."""

    run: str
    role: str
    fraction: float
    kind: str
    stages: tuple[Stage, ...]
    note: str = ""

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One row per stage, by the names in :data:`COLUMNS`; fractions in [0, 1]."""
        return [
            dict(zip(COLUMNS, (
                stage.name, stage.accuracy, *stage.interval, stage.agreement, stage.parameters, stage.nonzero,
                stage.size, 1e3 * stage.seconds["1"], 1e3 * stage.seconds["64"], stage.engine, stage.run,
            ), strict=True))
            for stage in self.stages
        ]  # fmt: skip

    def __getitem__(self, name: str) -> Stage:
        """Return the stage of a name. Raises KeyError."""
        for stage in self.stages:
            if stage.name == name:
                return stage
        raise KeyError(name)

    def to_pandas(self) -> pd.DataFrame:
        """Return the rows as a data frame. Raises ImportError without pandas."""
        import pandas as pd

        return pd.DataFrame(self.rows, columns=list(COLUMNS))


def compress(
    store: Store,
    run: Run,
    train: Callable[[RunConfig], str],
    *,
    role: str = STUDENT,
    fraction: float = 0.5,
    kind: str = "channels",
    int8: bool = True,
    **settings: Any,
) -> Compression:
    """Prune a network of a finished run, distil again from the unpruned one, and quantise the result.

    Args:
        store: The store of the run.
        run: The run.
        train: Trains a configuration in that store to its end and returns the id of the run.
        role: Which network.
        fraction: Fraction of channels or weights to remove; at 0 the network is quantised as it is.
        kind: "channels" or "weights".
        int8: Whether to quantise; without onnxruntime this raises ImportError.
        settings: Settings of the second training that differ from the first, by flat name.

    Raises:
        ValueError: for settings out of range, and a network that cannot be compressed.
        ImportError: without an optional package that the chosen stages need.
    """
    unpruned = open_unpruned(store, run, role)
    second = None
    if fraction:
        config = second_run(unpruned, unpruned.store_weights(), fraction, kind, **settings)
        second = find_same(store, config)
        if second is None or second.state != COMPLETED:
            second = store.run(train(config))
        if second is None or second.state != COMPLETED:
            raise ValueError("The training of the pruned network did not end, so there is nothing to measure.")
    stages = tuple(measure_stages(unpruned, plan_stages(store, unpruned, fraction, kind, second, int8=int8)))
    return Compression(run.id, role, fraction, kind, stages, int8_sentence(stages))


def find_same(store: Store, config: RunConfig) -> Run | None:
    """Return the newest completed run of exactly this configuration, or else the newest; None without any."""
    body = config.to_json()
    return next((run for run in store.siblings(family_of(config)) if run.config_json == body), None)


def plan_stages(
    store: Store,
    unpruned: Unpruned,
    fraction: float,
    kind: str,
    second: Run | None,
    *,
    int8: bool,
    is_pruned_tested: bool = True,
) -> list[PlannedStage]:
    """Return every stage that exists; ``second`` is the run that distilled again.

    The pruned network itself is among them if ``is_pruned_tested``. int8 is that of the last network of the chain, or
    of the unpruned one where nothing was pruned.
    """

    def network_of(run: Run, role: str) -> Callable[[], nn.Module]:
        return functools.cache(lambda: open_unpruned(store, run, role).network)

    first, key = unpruned.run, (fraction, kind)
    planned = [PlannedStage(unpruned.role, lambda: unpruned.network, run=first.id)]
    if unpruned.role != TEACHER and TEACHER in roles_of(store, first):
        planned.insert(0, PlannedStage(TEACHER, network_of(first, TEACHER), run=first.id))
    last = planned[-1]
    if fraction:
        last = PlannedStage(PRUNED, functools.cache(lambda: pruned_network(unpruned, fraction, kind)), key)
        planned += [last] if is_pruned_tested else []
    if fraction and second is not None:
        last = PlannedStage(AGAIN, network_of(second, STUDENT), key, second.id)
        planned.append(last)
        if BASELINE in (second.test or {}):
            planned.append(PlannedStage(TUNED, network_of(second, BASELINE), key, second.id))
    kinds = quantisations(unpruned.network) if int8 else ()
    return planned + [replace(last, name=f"{INT8} {one}", key=key, quantisation=one) for one in kinds]


def pruned_network(unpruned: Unpruned, fraction: float, kind: str) -> nn.Module:
    """Return the network after pruning, before further training."""
    return prune(unpruned.network, fraction, kind, unpruned.data.train.inputs)


def stage_accuracies(
    store: Store,
    pairs: Sequence[tuple[Unpruned, Run]],
    fraction: float,
    kind: str,
    *,
    is_beside_training: bool = False,
) -> list[dict[str, float]]:
    """Return the accuracies on the test set by stage, without sizes and latencies; measured once.

    Args:
        store: The store of all runs.
        pairs: Networks that are compressed, each with the completed run that distilled again.
        fraction: Fraction of channels or weights that is removed.
        kind: "channels" or "weights".
        is_beside_training: Whether runs may train in this process, which an export in it would disturb.

    Raises:
        ImportError: without a package that pruning or int8 needs.
        ValueError: for a network that cannot be quantised.
    """
    keys = [unpruned.key("accuracies", fraction, kind, second.id) for unpruned, second in pairs]
    missing = {
        key: (unpruned, second, open_unpruned(store, second, STUDENT).network)
        for key, (unpruned, second) in zip(keys, pairs, strict=True)
        if unpruned.cache.get(key) is None
    }
    if missing and is_beside_training:
        export_beside_training([network for _, _, network in missing.values()], pairs[0][0].data.test.inputs)
    for key, (unpruned, second, network) in missing.items():
        unpruned.cache.put(key, _accuracies(unpruned, second, network, fraction, kind))
    return [unpruned.cache.get(key) for key, (unpruned, _) in zip(keys, pairs, strict=True)]


def _accuracies(unpruned: Unpruned, second: Run, again: nn.Module, fraction: float, kind: str) -> dict[str, float]:
    tests = second.test or {}
    stored = {AGAIN: STUDENT, TUNED: BASELINE}
    networks = {
        PRUNED: pruned_network(unpruned, fraction, kind), INT8: OnnxNetwork(int8_file(unpruned, STATIC, again))
    }  # fmt: skip
    with limit_threads():
        measured = {stage: metrics_on_test(one, unpruned)["accuracy"] for stage, one in networks.items()}
    return {stage: tests[role]["accuracy"] for stage, role in stored.items() if role in tests} | measured
