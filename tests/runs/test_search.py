"""Searches, proposed by Optuna in batches, pruned, confirmed and resumed with the same proposals."""

import sqlite3
import statistics
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from kd_core.base.events import Validated
from kd_core.config.run import RunConfig, from_flat
from kd_core.config.sweep.search import Search, plan_search
from kd_core.runs import event_writer
from kd_core.runs.manager import COMPLETED, FAILED, INTERRUPTED, STOPPED, RunManager
from kd_core.runs.sweeps import proposals
from kd_core.runs.sweeps.pruning import TrialPruner, reports_of, stored_curve
from kd_core.runs.sweeps.search_results import SearchResults, collect_search, rising_best
from kd_core.store.records import PRUNED
from kd_core.training.loop import Trainer
from tools.testing.waiting import wait, wait_for_end

pytest.importorskip("optuna")
pytestmark = pytest.mark.slow

SMALL = {"dataset": "moons", "epochs": "8", "teacher_epochs": "1", "labelled": "40"}
SPACE = {
    "temperature": "1..16",
    "alpha": "0..1",
    "method": "soft_targets,logit_mse",
    "learning_rate": "0.0003..0.03:log",
}


def searched(trials: int = 18, seeds: tuple[int, ...] = (0, 1), **limits: int) -> Search:
    return plan_search(from_flat(SMALL), SPACE, {}, seeds, trials=trials, confirmations=2, **limits)[0]


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[RunManager]:
    runs = RunManager(tmp_path / "data")
    yield runs
    runs.close()


def results(runs: RunManager, name: str) -> SearchResults:
    return collect_search(runs.store, runs.store.sweep(name))


def outline(ended: SearchResults) -> list[tuple[object, ...]]:
    """What a search that was interrupted must share with one that was not."""
    return [(trial.values, trial.state, trial.accuracy, trial.cell.epochs) for trial in ended.trials]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunManager, str]]:
    runs = RunManager(tmp_path_factory.mktemp("search"))
    name = runs.start_search(searched())
    assert wait_for_end(runs, name, 120) == COMPLETED
    yield runs, name
    runs.close()


def test_trials_stay_in_their_ranges_and_each_is_another_one(whole: tuple[RunManager, str]) -> None:
    ended = results(*whole)
    assert len(ended.trials) == 18
    assert len({tuple(trial.values.items()) for trial in ended.trials}) == 18
    for trial in ended.trials:
        assert [run.seed for run in trial.runs] == [0, 1]
        assert 1 <= float(trial.values["temperature"]) <= 16
        assert 0.0003 <= float(trial.values["learning_rate"]) <= 0.03
        assert trial.config.method.name == trial.values["method"]
        assert ("alpha" in trial.values) == ("alpha" in trial.config.flat())
    assert {trial.values["method"] for trial in ended.trials} == {"soft_targets", "logit_mse"}


def test_a_trial_has_the_accuracy_of_the_same_run_alone(whole: tuple[RunManager, str]) -> None:
    trial = next(trial for trial in results(*whole).trials if trial.state == COMPLETED)
    alone = [
        [event for event in Trainer(run.config) if isinstance(event, Validated)][-1].accuracy["student"]
        for run in trial.runs
    ]
    assert trial.accuracy == pytest.approx(statistics.fmean(alone), abs=0.02)


def test_the_best_is_chosen_by_validation_and_confirmed_over_seeds_that_no_trial_had(
    whole: tuple[RunManager, str],
) -> None:
    ended = results(*whole)
    best = max((t for t in ended.trials if t.state == COMPLETED), key=lambda trial: trial.accuracy)
    assert ended.best is best
    assert [run.seed for run in ended.confirmation] == [2, 3]
    assert all(run.config.with_flat(seed=0) == best.config for run in ended.confirmation)
    gains = [100 * (run.test["student"]["accuracy"] - run.test["baseline"]["accuracy"]) for run in ended.confirmation]
    assert ended.verdict.gain == pytest.approx(statistics.fmean(gains))
    assert "All of its 18 trials" in ended.reason
    assert rising_best(ended.trials)[-1] == best.accuracy


def test_a_pruned_trial_was_below_the_median_of_earlier_ones_and_others_were_not(
    whole: tuple[RunManager, str],
) -> None:
    ended, (runs, _) = results(*whole), whole

    def at(trial: object, epoch: int) -> float:
        """Mean over the seeds of the accuracy after an epoch."""
        values = [
            event.accuracy["student"]
            for run in trial.runs
            for _, event in runs.store.events(run.id, kinds=("validated",))
            if event.epoch == epoch and "student" in event.accuracy
        ]
        assert len(values) == 2
        return statistics.fmean(values)

    pruned = [trial for trial in ended.trials if trial.state == PRUNED]
    assert pruned
    for trial in ended.trials:
        if (first := trial.number // 6 * 6) < 6:
            assert trial.state == COMPLETED
            continue
        earlier = [other for other in ended.trials[:first] if other.state == COMPLETED]
        last = trial.cell.epochs[1]
        rungs = [epoch for epoch in (2, 4, 6) if epoch <= last]
        worse = [
            max(at(trial, before) for before in (2, 4, 6) if before <= epoch)
            < statistics.median(at(other, epoch) for other in earlier)
            for epoch in rungs
        ]
        assert worse == [False] * len(worse[:-1]) + [trial.state == PRUNED]


def test_a_pruned_trial_that_is_repeated_from_a_checkpoint_ends_at_the_same_evaluation(
    whole: tuple[RunManager, str],
) -> None:
    ended, (runs, name) = results(*whole), whole
    trial = next(trial for trial in ended.trials if trial.state == PRUNED)
    earlier = ended.trials[: trial.number // 6 * 6]
    curves = {t.number: [stored_curve(runs.store, run) for run in t.runs] for t in earlier if t.state == COMPLETED}
    reports = {number: reports_of(values) for number, values in curves.items()}
    group, places = [run.id for run in trial.runs], runs.store.places(name)
    pruner = TrialPruner(runs.store, ended.search, {run: places[run] for run in group}, (earlier, reports))
    events = [event for _, event in runs.store.events(group[0])]
    last = next(event for event in events if pruner.observe(group[0], event, group))
    assert isinstance(last, Validated)
    assert last.epoch == trial.cell.epochs[1]


def test_a_search_that_was_interrupted_again_and_again_ends_like_one_that_was_not(
    whole: tuple[RunManager, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_writer, "CHECKPOINT_SECONDS", 0.05)
    monkeypatch.setattr(event_writer, "CHECKPOINT_FRACTION", 1.0)
    runs = RunManager(tmp_path)
    name = runs.start_search(searched())
    for count in (2, 7, 13):
        wait(partial(lambda runs, most: len(runs.store.members(name)) > most, runs, 2 * count), 60)
        runs.close()
        runs = RunManager(tmp_path)
        assert runs.store.sweep(name).state == INTERRUPTED
        runs.resume_from_checkpoint(name)
    assert wait_for_end(runs, name, 120) == COMPLETED
    assert outline(results(runs, name)) == outline(results(*whole))
    assert [run.test for run in results(runs, name).confirmation] == [run.test for run in results(*whole).confirmation]
    assert not list((tmp_path / "sweeps" / name).iterdir())
    runs.close()
    again = RunManager(tmp_path)
    assert again.integrity_report.sentences == []
    again.close()


def test_a_stopped_search_says_so_and_goes_on(runs: RunManager) -> None:
    name = runs.start_search(searched(8))
    wait(lambda: results(runs, name).trials, 30)
    runs.stop(name)
    assert wait_for_end(runs, name, 60) == STOPPED
    assert "can be resumed" in results(runs, name).reason
    assert not results(runs, name).confirmation
    runs.resume_from_checkpoint(name)
    assert wait_for_end(runs, name, 60) == COMPLETED
    assert len(results(runs, name).trials) == 8


def test_a_space_with_few_combinations_is_searched_once(runs: RunManager) -> None:
    config = from_flat(SMALL | {"epochs": "1"})
    search, _ = plan_search(config, {"temperature": "1,4"}, {}, (0,), trials=20, confirmations=1)
    name = runs.start_search(search)
    assert wait_for_end(runs, name, 60) == COMPLETED
    ended = results(runs, name)
    assert sorted(trial.values["temperature"] for trial in ended.trials) == ["1", "4"]
    assert "nothing new left to try" in ended.reason


def test_a_search_without_progress_ends_early(runs: RunManager) -> None:
    config = from_flat(SMALL | {"epochs": "1"})
    search, _ = plan_search(config, {"ema": "0.9..0.99"}, {}, (0,), trials=40, batch=2, patience=4, confirmations=1)
    name = runs.start_search(search)
    assert wait_for_end(runs, name, 60) == COMPLETED
    ended = results(runs, name)
    assert len(ended.trials) < 40
    assert ended.since_best >= 4
    assert f"for {ended.since_best} trials" in ended.reason


def test_a_search_whose_every_trial_fails_ends_after_two_batches_and_says_why(runs: RunManager) -> None:
    config = from_flat(
        SMALL | {"method": "hints", "weight": "1000", "learning_rate": "1", "optimiser": "sgd", "clip": "0"}
    )
    search, _ = plan_search(config, {"weight": "900..1000"}, {}, (0,), trials=30, batch=2)
    name = runs.start_search(search)
    assert wait_for_end(runs, name, 60) == FAILED
    ended = results(runs, name)
    assert [trial.state for trial in ended.trials] == [FAILED] * 4
    assert "Every trial failed" in ended.reason
    assert "not finite" in ended.reason
    assert ended.verdict is None


def test_methods_that_are_no_rows_of_a_stack_are_searched_too(runs: RunManager) -> None:
    config = from_flat(SMALL | {"method": "hints", "epochs": "4"})
    search, _ = plan_search(config, {"weight": "0.1..10", "learning_rate": "0.0001..0.1"}, {}, (0, 1), trials=12)
    name = runs.start_search(search)
    assert wait_for_end(runs, name, 120) == COMPLETED
    ended = results(runs, name)
    assert len(ended.trials) == 12
    for trial in ended.trials:
        if trial.state == PRUNED:
            assert {run.state for run in trial.runs} <= {PRUNED, COMPLETED}


def test_without_optuna_a_search_says_how_to_get_it(runs: RunManager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "optuna" else object())
    with pytest.raises(ValueError, match=r"A search needs optuna: pip install \"distillery-lab\[search\]\""):
        runs.start_search(searched())
    assert not runs.store.sweeps()


def test_proposals_depend_on_the_stored_trials_alone(whole: tuple[RunManager, str]) -> None:
    ended = results(*whole)
    first, again = (proposals.propose(ended.search, ended.trials[:12], {}) for _ in range(2))
    assert first == again
    assert isinstance(first[0], RunConfig)
    assert proposals.propose(ended.search, ended.trials[:6], {}) != first


def test_a_stored_search_whose_settings_are_gone_is_kept_and_refused_with_the_name(runs: RunManager) -> None:
    name = runs.start_search(searched(8))
    wait(lambda: results(runs, name).trials, 30)
    runs.stop(name)
    assert wait_for_end(runs, name, 60) == STOPPED
    with closing(sqlite3.connect(runs.store.path)) as db:
        db.execute("UPDATE sweeps SET sweep = replace(sweep, '[\"temperature\"', '[\"warmth\"')")
        db.commit()
    row = runs.store.sweep(name)
    assert not row.is_readable
    with pytest.raises(ValueError, match="warmth: there is no such setting"):
        runs.resume_from_checkpoint(name)
    assert runs.status(name).state == STOPPED
    assert runs.store.members(name)
