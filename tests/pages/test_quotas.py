"""Quotas per session on a shared machine."""

from collections.abc import Callable
from pathlib import Path

import pytest

from kd_core.config.run import RunConfig
from kd_core.config.sweep import Axis, Sweep
from kd_core.runs.manager import RunManager
from pages.ui.app import quotas
from pages.ui.app.actions import Actions
from pages.ui.app.quotas import Quotas
from tools.testing.waiting import wait_for_end


def test_one_person_on_her_own_machine_is_not_limited(tmp_path: Path) -> None:
    limits = Quotas.read({})
    (tmp_path / "big").write_bytes(b"0" * 1000)
    limits.check_queue(10_000)
    limits.check_epochs(10**9)
    limits.check_sweep(10_000)
    limits.check_upload(10**12)
    limits.check_disk(tmp_path)


def test_a_shared_machine_has_default_limits_that_variables_override() -> None:
    limits = Quotas.read({"DISTILLERY_MAX_QUEUED": "2", "DISTILLERY_MAX_EPOCHS": "0"}, is_room=True)
    assert (limits.queued, limits.epochs, limits.megabytes) == (2, 0, 200)
    assert Quotas.read({"DISTILLERY_MAX_DISK_GB": "7"}) == Quotas(gigabytes=7)


@pytest.mark.parametrize("text", ["-1", "many", "1.5", "1e3", "²"])
def test_a_limit_that_is_not_a_whole_number_is_refused_by_name_and_value(text: str) -> None:
    with pytest.raises(ValueError, match=f'DISTILLERY_MAX_EPOCHS = "{text}": '):
        Quotas.read({"DISTILLERY_MAX_EPOCHS": text})


@pytest.mark.parametrize(
    ("check", "allowed", "excessive", "message"),
    [
        (Quotas(queued=2).check_queue, 1, 2, r"^2 .* most 2 .*: let one start, or stop"),
        (Quotas(epochs=100).check_epochs, 100, 101, r"101 epochs .* most 100 .*: choose fewer"),
        (Quotas(runs=10).check_sweep, 10, 11, r"11 runs.* most 10 .*: choose fewer"),
        (Quotas(megabytes=3).check_upload, 3_000_000, 4_000_000, r" 4 MB.* most 3 MB .*: choose a smaller"),
    ],
)
def test_a_refusal_names_the_value_the_limit_and_what_to_change(
    check: Callable[[int], None], allowed: int, excessive: int, message: str
) -> None:
    check(allowed)
    with pytest.raises(ValueError, match=message):
        check(excessive)


def test_a_full_disk_is_refused_to_every_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quotas, "GIGABYTE", 1000)
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "one").write_bytes(b"0" * 1500)
    Quotas(gigabytes=2).check_disk(tmp_path)
    (tmp_path / "runs" / "two").write_bytes(b"0" * 700)
    Quotas(gigabytes=2).check_disk(tmp_path)  # the size is cached
    monkeypatch.setattr(quotas, "SIZE_TTL", 0.0)
    with pytest.raises(ValueError, match=r" 2\.2 GB.* most 2 GB .*: delete runs or uploads"):
        Quotas(gigabytes=2).check_disk(tmp_path)


def test_the_longest_run_of_a_sweep_counts(runs: RunManager, small: RunConfig) -> None:
    actions = Actions(runs, "", Quotas(epochs=small.recipe.epochs + small.teacher_recipe.epochs))
    with pytest.raises(ValueError, match="This run takes 92 epochs in all, and at most 8 are allowed"):
        actions.start_sweep(Sweep(small, (Axis("epochs", ("3", "90")),)))
    assert runs.store.sweeps() == []


def test_a_full_disk_takes_back_the_space_of_deleted_runs_first(
    runs: RunManager, small: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = runs.start(small)
    wait_for_end(runs, run)
    full = runs.folder / "runs" / run / "large"
    full.parent.mkdir(exist_ok=True)
    full.write_bytes(b"0" * 3_000_000)
    monkeypatch.setattr(quotas, "GIGABYTE", 1_000_000)
    actions = Actions(runs, "", Quotas(gigabytes=2))
    with pytest.raises(ValueError, match="delete runs or uploads"):
        actions.start(small)
    actions.delete(run)
    wait_for_end(runs, actions.start(small))
    assert runs.trash.all() == []
