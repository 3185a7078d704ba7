import pytest
import torch

from kd_core import devices


def test_the_graphics_card_is_taken_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISTILLERY_DEVICE", raising=False)
    for is_available, expected in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda is_available=is_available: is_available)
        assert devices.best() == expected


def test_the_environment_overrules_and_a_device_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISTILLERY_DEVICE", "cpu")
    assert devices.best() == "cpu"
    monkeypatch.setenv("DISTILLERY_DEVICE", "abacus")
    with pytest.raises(ValueError, match=r"DISTILLERY_DEVICE = abacus: this machine offers .*cpu"):
        devices.best()
