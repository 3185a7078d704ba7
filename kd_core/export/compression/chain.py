"""Chain of pruning, distillation from the unpruned network, its control, and int8, as one table.

The chain of Muralidharan et al., "Compact Language Models via Pruning and Knowledge Distillation" (2024), in miniature.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import nn

from kd_core.config.plan import BASELINE, STUDENT, TEACHER
from kd_core.config.run import RunConfig
from kd_core.export.compression.int8 import quantisations
from kd_core.export.compression.stages import Stage, int8_sentence, measure_int8, measure_stage
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
    stages = tuple(measure(store, unpruned, fraction, kind, second, int8=int8))
    return Compression(run.id, role, fraction, kind, stages, int8_sentence(stages))


def find_same(store: Store, config: RunConfig) -> Run | None:
    """Return the newest completed run of exactly this configuration, or else the newest; None without any."""
    body = config.to_json()
    return next((run for run in store.siblings(family_of(config)) if run.config_json == body), None)


def measure(
    store: Store,
    unpruned: Unpruned,
    fraction: float,
    kind: str,
    second: Run | None,
    *,
    int8: bool,
    is_pruned_tested: bool = True,
) -> Iterator[Stage]:
    """Yield every stage that exists; ``second`` is the run that distilled again.

    The pruned network itself is measured if ``is_pruned_tested``. int8 is that of the last network of the chain, or of
    the unpruned one where nothing was pruned.
    """

    def network_of(run: Run, role: str) -> Callable[[], nn.Module]:
        return lambda: open_unpruned(store, run, role).network

    if unpruned.role != TEACHER and TEACHER in roles_of(store, unpruned.run):
        yield measure_stage(unpruned, TEACHER, network_of(unpruned.run, TEACHER), run=unpruned.run.id)
    yield measure_stage(unpruned, unpruned.role, lambda: unpruned.network, run=unpruned.run.id)
    key, trained_by = [fraction, kind], "" if fraction else unpruned.run.id
    if fraction and is_pruned_tested:
        yield measure_stage(unpruned, PRUNED, lambda: final_network(store, unpruned, fraction, kind, None), key)
    if fraction and second is not None:
        trained_by = second.id
        for name, role in ((AGAIN, STUDENT), (TUNED, BASELINE)):
            if role in (second.test or {}):
                yield measure_stage(unpruned, name, network_of(second, role), key, second.id)
    for quantisation in quantisations(unpruned.network) if int8 else ():
        yield measure_int8(
            unpruned, quantisation, lambda: final_network(store, unpruned, fraction, kind, second), key, trained_by
        )


def final_network(store: Store, unpruned: Unpruned, fraction: float, kind: str, second: Run | None) -> nn.Module:
    """Return the network of the second run if there is one, else the pruned network, else the unpruned one."""
    if not fraction:
        return unpruned.network
    if second is not None:
        return open_unpruned(store, second, STUDENT).network
    return prune(unpruned.network, fraction, kind, unpruned.data.train.inputs)
