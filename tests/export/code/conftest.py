"""Scripts that are executed without this package, and the runs that they are compared with."""

from __future__ import annotations

import builtins
import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
import sklearn.datasets
import torch

from kd_core.base.events import Finished, Step
from kd_core.config.run import RunConfig
from kd_core.datasets import scenes, shapes
from kd_core.training.loop import PhaseCache, Trainer

Namespace = dict[str, Any]


class Numbers(NamedTuple):
    """Loss of every step and accuracy on the test set, by network."""

    curves: dict[str, list[float]]
    accuracy: dict[str, float]


@pytest.fixture(autouse=True)
def digits_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read the digits of scikit-learn once for all scripts."""
    monkeypatch.setattr(sklearn.datasets, "load_digits", _load_digits)


_load_digits = functools.cache(sklearn.datasets.load_digits)

# Constants in the source of data sets that are smaller in all tests.
SMALLER = {
    "HELD_OUT = 400 ": f"HELD_OUT = {shapes.HELD_OUT} ",
    "VALIDATION, TEST = 40, 200 ": f"VALIDATION, TEST = 40, {scenes.TEST} ",
}


@pytest.fixture(scope="session")
def engine() -> Callable[[RunConfig], Numbers]:
    """Train a run by the engine; teachers are trained once."""
    cache: PhaseCache = {}

    def train(config: RunConfig) -> Numbers:
        curves: dict[str, list[float]] = {}
        accuracy: dict[str, float] = {}
        for event in Trainer(config, cache=cache):
            if isinstance(event, Step):
                for role, loss in event.loss.items():
                    curves.setdefault(role, []).append(loss)
            elif isinstance(event, Finished):
                accuracy = {role: metrics["accuracy"] for role, metrics in event.test.items()}
        return Numbers(curves, accuracy)

    return train


@pytest.fixture
def execute(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., Namespace]]:
    """Execute code that can import neither this package nor what else is named."""

    def run(code: str, *blocked: str) -> Namespace:
        def imported(name: str, *more: Any, **named: Any) -> Any:
            assert name.split(".", maxsplit=1)[0] not in ("kd_core", *blocked), f"the code imports {name}"
            return builtins.__import__(name, *more, **named)

        for whole, smaller in SMALLER.items():
            code = code.replace(whole, smaller)
        allowed = {**vars(builtins), "__import__": imported}
        namespace: Namespace = {"__name__": "__main__", "__builtins__": allowed}
        exec(compile(code, "script.py", "exec"), namespace)
        return namespace

    threads = torch.get_num_threads()  # which a script may set
    yield run
    torch.set_num_threads(threads)
    capsys.readouterr()
