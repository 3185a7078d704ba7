"""Runs of a claim, stored and not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kd_core.config.claims import MORE, Claim, gain
from kd_core.config.run import from_flat
from kd_core.config.sweep import Sweep
from kd_core.runs.manager import RunManager
from kd_core.runs.questions.claim_runs import measure, stored_runs
from tools.testing.waiting import wait_for_end

QUICK = {"dataset": "moons", "epochs": "2", "teacher_epochs": "1", "labelled": "40"}
CLAIM = Claim(
    "It helps more.", "Doe 2026", "Teachers", {"warm": QUICK, "cold": {**QUICK, "temperature": "1"}},
    gain("warm") - gain("cold"), MORE, "Because.", seeds=5, name="quick",
)  # fmt: skip


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[RunManager]:
    manager = RunManager(tmp_path)
    yield manager
    manager.close()


def train(runs: RunManager, claim: Claim) -> None:
    for sweep in stored_runs(runs.store, claim).sweeps():
        assert wait_for_end(runs, runs.start_sweep(sweep), 60) == "completed"


def test_a_claim_is_trained_once_and_found_again(runs: RunManager) -> None:
    before = stored_runs(runs.store, CLAIM)
    assert before.judgement is None
    assert before.missing == {"warm": [0, 1, 2, 3, 4], "cold": [0, 1, 2, 3, 4]}
    train(runs, CLAIM)
    after = stored_runs(runs.store, CLAIM)
    assert after.sweeps() == []
    assert after.judgement is not None
    assert after.judgement.seeds == 5
    assert after.seconds(runs.store) == pytest.approx(sum(row.seconds for row in runs.store.sweeps()))


def test_runs_of_other_pages_with_the_same_settings_count(runs: RunManager) -> None:
    for seed in (1, 3):
        assert wait_for_end(runs, runs.start(from_flat({**QUICK, "seed": str(seed)})), 60) == "completed"
    assert wait_for_end(runs, runs.start(from_flat({**QUICK, "seed": "77"})), 60) == "completed"
    state = stored_runs(runs.store, CLAIM)
    assert state.missing["warm"] == [0, 2, 4]
    assert set(state.tests["warm"]) == {1, 3}
    assert [sweep.seeds for sweep in state.sweeps()] == [(0, 2, 4), (0, 1, 2, 3, 4)]


def test_what_trains_already_is_not_started_again(runs: RunManager) -> None:
    long = {**QUICK, "epochs": "3000"}
    claim = replace(CLAIM, families={"warm": long, "cold": QUICK})
    job = runs.start_sweep(Sweep.over_seeds(from_flat(long), range(5)))
    state = stored_runs(runs.store, claim)
    assert state.jobs == [job]
    assert len(state.sweeps()) == 1
    runs.stop(job)
    assert wait_for_end(runs, job, 60) == "stopped"
    assert len(stored_runs(runs.store, claim).sweeps()) == 2


def test_a_claim_gives_the_same_numbers_with_and_without_a_store(runs: RunManager) -> None:
    train(runs, CLAIM)
    stored = stored_runs(runs.store, CLAIM).judgement
    judgement, measured = measure(CLAIM)
    assert stored is not None
    assert judgement.estimate == pytest.approx(stored.estimate)
    assert judgement.interval == pytest.approx(stored.interval)
    assert measured.estimate == round(stored.estimate, 2)
    assert measured.seconds > 0


def test_a_claim_whose_method_is_gone_is_refused_in_a_sentence(runs: RunManager) -> None:
    gone = replace(CLAIM, families={"warm": {**QUICK, "method": "gone"}, "cold": QUICK})
    with pytest.raises(ValueError, match='methods = "gone": choose one of'):
        stored_runs(runs.store, gone)


def test_a_claim_that_leaves_a_suggestion_of_its_scheme_open_is_refused(runs: RunManager) -> None:
    families = {"warm": {"dataset": "digits", "scheme": "unlabelled"}, "cold": QUICK}  # suggests 30 labels
    with pytest.raises(ValueError, match="“warm” must name every setting that its scheme suggests"):
        stored_runs(runs.store, replace(CLAIM, families=families)).sweeps()
