"""Latency measurements and their cache."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kd_core.analysis import latency
from kd_core.analysis.latency import Latency, LatencyMeter, latency_key, summary
from kd_core.base.events import Network
from kd_core.config.run import RunConfig
from tools.testing.waiting import wait

STUDENT = Network("student", "MLP 64", 100, 200, 400, "")


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Roles that were measured, at no cost."""
    measured_roles: list[str] = []

    def pretend(config: RunConfig, role: str) -> list[Latency]:
        measured_roles.append(role)
        if role == "made":
            raise ValueError("It is made of other networks.")
        return [summary([0.001, 0.002, 0.003], batch) for batch in latency.BATCHES]

    monkeypatch.setattr(latency, "measure_latency", pretend)
    return measured_roles


def test_p95_is_a_time_that_95_of_100_passes_do_not_exceed() -> None:
    times = np.random.default_rng(1).exponential(size=100).tolist()
    result = summary(times, 1)
    assert sum(time <= result.p95 for time in times) == 95
    assert result.median == pytest.approx(np.median(times))
    assert summary([2.0], 64) == Latency(64, 2.0, 2.0, 1)
    with pytest.raises(ValueError, match="at least one"):
        summary([], 1)


def test_networks_of_equal_layers_are_measured_once_and_cached_for_the_next_process(
    tmp_path: Path, small: RunConfig, measured: list[str]
) -> None:
    meter = LatencyMeter(tmp_path / "latency.json")
    for network in (STUDENT, replace(STUDENT, role="baseline"), replace(STUDENT, parameters=5)):
        meter.request(small.to_json(), network)
    wait(lambda: not meter.waiting)
    assert measured == ["student", "student"]  # the baseline has the same layers
    again = LatencyMeter(tmp_path / "latency.json")
    again.request(small.to_json(), STUDENT)
    assert not again.waiting
    assert again.measurements()[latency_key(STUDENT)][1] == Latency(64, 0.002, 0.003, 3)


def test_a_failed_measurement_is_reported_and_the_others_continue(
    tmp_path: Path, small: RunConfig, measured: list[str]
) -> None:
    meter = LatencyMeter(tmp_path / "latency.json")
    made = replace(STUDENT, role="made", model="average")
    meter.request(small.to_json(), made)
    meter.request(small.to_json(), STUDENT)
    wait(lambda: not meter.waiting)
    assert meter.failure(latency_key(made)) == "It is made of other networks."
    assert list(meter.measurements()) == [latency_key(STUDENT)]


def test_a_damaged_file_counts_as_an_empty_one(tmp_path: Path) -> None:
    path = tmp_path / "latency.json"
    path.write_text('{"MLP": 3', encoding="utf-8")
    assert LatencyMeter(path).measurements() == {}


def test_a_real_network_is_measured_for_single_examples_and_for_batches(
    small: RunConfig, small_with: Callable[..., RunConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kd_core.nn.cost.MAX_SECONDS", 0.02)
    one, many = latency.measure_latency(small, "student")
    assert (one.batch, many.batch) == (1, 64)
    assert 0 < one.median <= one.p95
    with pytest.raises(ValueError, match="made of other networks"):
        latency.measure_latency(small_with(scheme="merge", dataset="digits"), "teacher")
