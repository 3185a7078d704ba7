"""Runs as code of plain PyTorch."""

from __future__ import annotations

from typing import Any

from kd_core.api.distillation import merge
from kd_core.config.run import RunConfig
from kd_core.export.code import script


def code(config: RunConfig | None = None, **settings: Any) -> str:
    """Return a script of plain PyTorch that trains the networks of a run and ends with the same accuracies.

    It imports nothing of this package. What it leaves out is said in its first lines.

        Path("distil.py").write_text(kd.code(dataset="digits", labelled=50))

    Args:
        config: a whole configuration; without one, ``settings`` start from the defaults.
        settings: as for :func:`~kd_core.distill`.

    Raises:
        ValueError: for settings that are unknown, out of range or do not fit together.
    """
    return script(merge(config, settings))
