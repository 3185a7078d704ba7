"""Train one run from keywords."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kd_core.api.result import Result
from kd_core.api.stored import folder_of, load_run, open_manager, wait
from kd_core.base.metrics import check_metrics
from kd_core.base.process import keep_freed_memory, short_switch_interval
from kd_core.config.python_parts import store_python_parts, with_python_parts
from kd_core.config.run import RunConfig
from kd_core.datasets import load
from kd_core.training.loop import Trainer


def distill(config: RunConfig | None = None, *, store: bool | str | Path = False, **settings: Any) -> Result:
    """Train a teacher, a student under it, and the same student without it.

    Args:
        config: a whole configuration; without one, ``settings`` start from the defaults.
        store: True puts the run into the app's data folder, a path into that folder; teachers that are stored there
            are reused. By default nothing is kept but the returned object.
        settings: options by name (``epochs=120``, ``temperature=4``), and the parts ``dataset``, ``teacher``,
            ``student``, ``loss`` (or ``method``) and ``scheme``, each by name (``loss="dkd"``) or as an object
            (``loss=kd.losses.Dkd(beta=2)``). Your own are a :class:`~kd_core.datasets.Data`, a module or a function
            that makes one, for the teacher also a function of inputs or an array of logits of the training examples,
            and a function decorated by :func:`~kd_core.methods._python.loss`.

    Raises:
        ValueError: for settings that are unknown, out of range or do not fit together.
        RuntimeError: if the run fails, for example because a loss is no longer finite.
    """
    chosen = merge(config, settings)
    check_metrics(len(load(chosen.dataset).classes))
    if store:
        with open_manager(folder_of(store)) as manager:
            store_python_parts(vars(chosen).values(), manager.folder)
            run = manager.start(chosen)
            wait(manager, run)
        return completed(load_run(run, manager.folder))
    keep_freed_memory()
    trainer = Trainer(chosen)
    with short_switch_interval():
        events = list(trainer)
    return completed(Result(chosen, events, trainer.networks))


def merge(config: RunConfig | None, settings: Mapping[str, Any]) -> RunConfig:
    """Return a configuration with some settings changed, by default that of all defaults. Raises ValueError."""
    if config is not None and not isinstance(config, RunConfig):
        raise ValueError(
            f"config: a {type(config).__name__} was given; it must be a kd.RunConfig. Settings are keywords, such as "
            'dataset="moons".'
        )
    parts = dict(vars(config)) if config is not None else {}
    if "loss" in settings:
        parts.pop("method", None)
    data = {"dataset": parts["dataset"]} if config is not None else {}
    return RunConfig(**parts | with_python_parts(data | dict(settings)))


def completed(result: Result) -> Result:
    """Return a result unless its run failed. Raises RuntimeError with the reason."""
    if result.outcome == "failed" or result.error:  # what fails before its first step has no end
        raise RuntimeError(f"{result.error} (run {result.id})" if result.id else result.error)
    return result
