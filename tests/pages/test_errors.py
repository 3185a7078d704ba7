"""Messages for errors on a page."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import streamlit as st
from streamlit.runtime.scriptrunner import RerunException, StopException

from pages.ui.app.errors import catch_errors, toast_errors

SECRET = "/somewhere/secret.py"


def broken() -> None:
    raise OSError(SECRET)


def refused() -> None:
    raise ValueError("alpha = <b>2</b>: choose a number from 0 to 1.")


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the list of messages that the page shows."""
    messages: list[str] = []
    for name in ("error", "toast"):
        monkeypatch.setattr(st, name, lambda text, **_: messages.append(text))
    return messages


@pytest.mark.parametrize("decorator", [catch_errors, toast_errors])
def test_an_error_is_shown_as_a_sentence_with_an_id_that_the_log_explains(
    decorator: Callable, screen: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    decorator(broken)()
    (message,) = screen
    number = re.search(r"under ([0-9a-f]{8})\.", message)
    assert number
    assert SECRET not in message
    assert number[1] in caplog.text
    assert f"OSError: {SECRET}" in caplog.text


@pytest.mark.parametrize("decorator", [catch_errors, toast_errors])
def test_a_refusal_is_shown_literally_and_not_as_html(decorator: Callable, screen: list[str]) -> None:
    decorator(refused)()
    (message,) = screen
    assert "<b>" not in message
    assert message.replace("\\", "") == "alpha = <b>2</b>: choose a number from 0 to 1."


@pytest.mark.parametrize("control", [StopException, RerunException])
def test_a_run_that_reads_the_session_while_the_next_one_begins_ends_without_an_error(
    control: type[BaseException], screen: list[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    error, is_replaced = control(*[None] * (control is RerunException)), control is StopException

    class Session(dict):  # what Streamlit's does in a run that has been replaced
        def get(self, *_: object) -> None:
            if is_replaced:
                raise error

    def rerun() -> None:
        assert not is_replaced
        raise error

    def read() -> None:
        values = {1: 1}
        for value in values:
            values[value + 1] = 1

    monkeypatch.setattr(st, "session_state", Session())
    monkeypatch.setattr(st, "rerun", rerun)
    with pytest.raises(control):
        catch_errors(read)()
    assert screen == []
    assert caplog.text == ""
