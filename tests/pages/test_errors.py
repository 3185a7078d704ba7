from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import streamlit as st

from pages.ui.app.actions import toast_errors
from pages.ui.app.errors import catch_errors

SECRET = "/somewhere/secret.py"


def broken() -> None:
    raise OSError(SECRET)


def refused() -> None:
    raise ValueError("alpha = <b>2</b>: choose a number from 0 to 1.")


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is said on it."""
    said: list[str] = []
    for name in ("error", "toast"):
        monkeypatch.setattr(st, name, lambda text, **_: said.append(text))
    return said


@pytest.mark.parametrize("saying", [catch_errors, toast_errors])
def test_an_error_is_a_sentence_with_a_number_that_the_log_explains(
    saying: Callable, screen: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    saying(broken)()
    (said,) = screen
    number = re.search(r"under ([0-9a-f]{8})\.", said)
    assert number
    assert SECRET not in said
    assert number[1] in caplog.text
    assert f"OSError: {SECRET}" in caplog.text


@pytest.mark.parametrize("saying", [catch_errors, toast_errors])
def test_a_refusal_is_shown_letter_by_letter_and_is_no_html(saying: Callable, screen: list[str]) -> None:
    saying(refused)()
    (said,) = screen
    assert "<b>" not in said
    assert said.replace("\\", "") == "alpha = <b>2</b>: choose a number from 0 to 1."
