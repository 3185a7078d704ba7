"""What one session may ask of a machine that many share."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pages.ui.app import quotas
from pages.ui.app.quotas import Quotas


def test_one_person_on_her_own_machine_is_not_limited(tmp_path: Path) -> None:
    own = Quotas.read({})
    (tmp_path / "big").write_bytes(b"0" * 1000)
    own.check_queue(10_000)
    own.check_epochs(10**9)
    own.check_sweep(10_000)
    own.check_upload(10**12)
    own.check_disk(tmp_path)


def test_a_room_has_limits_that_single_variables_change() -> None:
    room = Quotas.read({"DISTILLERY_MAX_QUEUED": "2", "DISTILLERY_MAX_EPOCHS": "0"}, is_room=True)
    assert (room.queued, room.epochs, room.megabytes) == (2, 0, 200)
    assert Quotas.read({"DISTILLERY_MAX_DISK_GB": "7"}) == Quotas(gigabytes=7)


@pytest.mark.parametrize("text", ["-1", "many", "1.5", "1e3", "²"])
def test_a_limit_that_is_no_whole_number_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match=f'DISTILLERY_MAX_EPOCHS = "{text}": give a whole number'):
        Quotas.read({"DISTILLERY_MAX_EPOCHS": text})


@pytest.mark.parametrize(
    ("check", "fits", "beyond", "said"),
    [
        (Quotas(queued=2).check_queue, 1, 2, r"^2 of your runs wait already, and 2 may: let one begin, or stop"),
        (Quotas(epochs=100).check_epochs, 100, 101, r"^This run takes 101 epochs in all, and 100 are .* choose fewer"),
        (Quotas(runs=10).check_sweep, 10, 11, r"^This sweep has 11 runs, and 10 are allowed here: choose fewer"),
        (Quotas(megabytes=3).check_upload, 3_000_000, 4_000_000, r"^This file has 4 MB, and 3 are allowed here: give"),
    ],
)
def test_a_refusal_names_the_number_and_what_to_change(
    check: Callable[[int], None], fits: int, beyond: int, said: str
) -> None:
    check(fits)
    with pytest.raises(ValueError, match=said):
        check(beyond)


def test_a_full_disk_is_refused_for_everybody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quotas, "GIGABYTE", 1000)
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "one").write_bytes(b"0" * 1500)
    Quotas(gigabytes=2).check_disk(tmp_path)
    (tmp_path / "runs" / "two").write_bytes(b"0" * 700)
    Quotas(gigabytes=2).check_disk(tmp_path)  # what was counted a moment ago is believed
    monkeypatch.setattr(quotas, "STALE", 0.0)
    with pytest.raises(ValueError, match=r"The data here take 2\.2 GB, and 2 are allowed: delete runs or uploads"):
        Quotas(gigabytes=2).check_disk(tmp_path)
