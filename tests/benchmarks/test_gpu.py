"""Script for a graphics card, tried on the processor with small sizes."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from benchmarks import gpu

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the teachers of the works in a folder of the test."""
    monkeypatch.setenv("DISTILLERY_DATA", str(tmp_path))


@pytest.mark.filterwarnings("ignore:The .grad attribute")  # of torch.compile, while it traces
def test_every_contender_trains_and_a_processor_meets_no_aim() -> None:
    rows = gpu.speed(next(iter(gpu.PAIRS)), gpu.SMALL)
    assert len(rows) == 10  # six contenders and four ratios; memory is measured on a card alone
    assert all(number > 0 and math.isfinite(number) for row in rows for number in row.numbers)
    assert not any(row.aim for row in rows)


def test_many_runs_are_trained_to_their_end() -> None:
    single, together, ratio = gpu.many_runs(gpu.SMALL)
    assert ratio.numbers[0] == pytest.approx(together.numbers[0] / (sum(single.numbers) / len(single.numbers)))


def test_the_promises_of_the_engine_hold_and_a_wrong_number_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    resumed = gpu._resumed
    monkeypatch.setattr(gpu, "_resumed", lambda config, device: resumed(config.with_flat(seed="1"), device))
    assert [check for check, holds in gpu.checks(gpu.SMALL).items() if not holds] == [
        "a resumed run ends with the same numbers"
    ]
