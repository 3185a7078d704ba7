"""Train all runs of a sweep, stacked where they can be."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from numbers import Integral
from pathlib import Path

from kd_core.api.result import Result
from kd_core.api.stored import StoredRun, folder_of, open_manager, wait
from kd_core.base.events import Event
from kd_core.base.metrics import check_metrics
from kd_core.base.process import keep_freed_memory
from kd_core.config.python_parts import store_python_parts
from kd_core.config.run import RunConfig
from kd_core.config.sweep import MAX_RUNS, Sweep
from kd_core.datasets import load
from kd_core.training.loop import GroupTrainer, PhaseCache
from kd_core.training.vectorized.compatibility import split_into_groups


def train_sweep(sweep: Sweep, store: bool | str | Path) -> list[Result]:
    """Train every run of a sweep, in its order; with ``store``, in a data folder. Failed runs are among them."""
    check_metrics(len(load(sweep.base.dataset).classes))
    if store:
        with open_manager(folder_of(store)) as manager:
            parts = [part for cell in sweep.cells for part in vars(sweep.config(cell)).values()]
            store_python_parts(parts, manager.folder)
            sweep_id = manager.start_sweep(sweep)
            wait(manager, sweep_id)
        return [StoredRun(manager.store, run) for run in manager.store.members(sweep_id)]
    keep_freed_memory()
    configs = sweep.configs()
    cache: PhaseCache = {}
    results: dict[int, Result] = {}
    for group in split_into_groups(configs):
        trained = _train_group([configs[number] for number in group], cache)
        results |= dict(zip(group, trained, strict=True))
    return [results[number] for number in range(len(configs))]


def seeds_of(config: RunConfig, seeds: int | Sequence[int]) -> list[int]:
    """Return the seeds themselves; a number of them counts from the seed of the configuration. Raises ValueError."""
    if isinstance(seeds, Iterable) and not isinstance(seeds, str | bytes):
        return list(itertools.islice(seeds, MAX_RUNS + 1))  # one more is refused
    if isinstance(seeds, bool) or not isinstance(seeds, Integral) or not 1 <= seeds <= MAX_RUNS:
        raise ValueError(f"seeds = {seeds!r}: choose a whole number from 1 to {MAX_RUNS}, or a list of seeds.")
    return list(range(config.seed, config.seed + int(seeds)))


def _train_group(configs: list[RunConfig], cache: PhaseCache) -> list[Result]:
    trainer = GroupTrainer(configs, cache=cache)
    events: list[list[Event]] = [[] for _ in configs]
    for number, event in trainer:
        events[number].append(event)
    return [Result(config, events[number], trainer.networks_of(number)) for number, config in enumerate(configs)]
