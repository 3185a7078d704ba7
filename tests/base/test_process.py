"""Tests of the switch interval of the interpreter."""

from __future__ import annotations

import sys

import pytest

from kd_core.base import process


def test_the_switch_interval_is_restored_after_the_last_of_two_trainings() -> None:
    before = sys.getswitchinterval()
    first, second = process.short_switch_interval(), process.short_switch_interval()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert sys.getswitchinterval() == pytest.approx(0.0005)
    second.__exit__(None, None, None)
    assert sys.getswitchinterval() == pytest.approx(before)


def test_the_switch_interval_is_restored_after_an_exception() -> None:
    before = sys.getswitchinterval()
    with pytest.raises(RuntimeError, match="no memory"), process.short_switch_interval():
        raise RuntimeError("no memory")
    assert sys.getswitchinterval() == pytest.approx(before)
