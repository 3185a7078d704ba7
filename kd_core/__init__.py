"""Training of students under teachers, comparison with a baseline, and access to stored runs.

The public names are imported when they are first used: ``import kd_core`` is quick and imports no torch.

    import kd_core as kd

    result = kd.distill(dataset="digits", labelled=50, loss=kd.losses.SoftTargets(temperature=4), epochs=120)
    print(result.verdict)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kd_core import datasets as datasets
    from kd_core import methods as losses
    from kd_core import models as models
    from kd_core import schemes as schemes
    from kd_core.api.code import code
    from kd_core.api.distillation import distill
    from kd_core.api.plugins import (
        list_claims,
        list_datasets,
        list_methods,
        list_models,
        list_presets,
        list_schemes,
    )
    from kd_core.api.result import History, Result
    from kd_core.api.search import SearchResult, SearchTrial, search
    from kd_core.api.seeds import SeedComparison, compare_seeds
    from kd_core.api.stored import StoredRun, load_run, resume_run
    from kd_core.api.sweep import SweepCell, SweepResult, sweep
    from kd_core.api.teachers import Teacher
    from kd_core.api.trainer import Trainer
    from kd_core.base import events
    from kd_core.base.metrics import metric
    from kd_core.config.run import RunConfig
    from kd_core.datasets import Data
    from kd_core.export.records import HistoryRow
    from kd_core.methods._python import loss

__version__ = "0.1.0"

__all__ = [
    "Data",
    "History",
    "HistoryRow",
    "Result",
    "RunConfig",
    "SearchResult",
    "SearchTrial",
    "SeedComparison",
    "StoredRun",
    "SweepCell",
    "SweepResult",
    "Teacher",
    "Trainer",
    "__version__",
    "code",
    "compare_seeds",
    "datasets",
    "distill",
    "events",
    "list_claims",
    "list_datasets",
    "list_methods",
    "list_models",
    "list_presets",
    "list_schemes",
    "load_run",
    "loss",
    "losses",
    "metric",
    "models",
    "resume_run",
    "schemes",
    "search",
    "sweep",
]

_NAMES = {
    "kd_core.api.code": ("code",),
    "kd_core.api.distillation": ("distill",),
    "kd_core.api.plugins": (
        "list_claims",
        "list_datasets",
        "list_methods",
        "list_models",
        "list_presets",
        "list_schemes",
    ),
    "kd_core.api.result": ("History", "Result"),
    "kd_core.api.search": ("SearchResult", "SearchTrial", "search"),
    "kd_core.api.seeds": ("SeedComparison", "compare_seeds"),
    "kd_core.api.stored": ("StoredRun", "load_run", "resume_run"),
    "kd_core.api.sweep": ("SweepCell", "SweepResult", "sweep"),
    "kd_core.api.teachers": ("Teacher",),
    "kd_core.api.trainer": ("Trainer",),
    "kd_core.base.metrics": ("metric",),
    "kd_core.config.run": ("RunConfig",),
    "kd_core.datasets": ("Data",),
    "kd_core.export.records": ("HistoryRow",),
    "kd_core.methods._python": ("loss",),
}
_MODULE_OF = {name: module for module, names in _NAMES.items() for name in names}
_NAMESPACES = {
    "datasets": "kd_core.datasets",
    "events": "kd_core.base.events",
    "losses": "kd_core.methods",
    "models": "kd_core.models",
    "schemes": "kd_core.schemes",
}


def __getattr__(name: str) -> Any:
    if name in _NAMESPACES:
        return importlib.import_module(_NAMESPACES[name])
    if name in _MODULE_OF:
        return getattr(importlib.import_module(_MODULE_OF[name]), name)
    raise AttributeError(f"module 'kd_core' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
