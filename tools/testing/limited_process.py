"""Fixture that calls what is for a limited process in this one."""

from __future__ import annotations

import importlib
import tempfile
from pathlib import Path

import pytest

from kd_core.files import limited_process


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Call functions here instead of in a process that would have to import torch for seconds; without limits."""

    def call(target: str, *arguments: str | int, folder: Path | None = None, memory: int = 0) -> str:
        module, function = target.split(":")
        try:
            with tempfile.TemporaryDirectory() as temporary:
                place = folder or Path(temporary)
                return str(getattr(importlib.import_module(module), function)(place, *arguments))
        except ValueError:
            raise
        except Exception as error:
            raise limited_process.LimitError(str(error)) from error

    monkeypatch.setattr(limited_process, "call", call)
