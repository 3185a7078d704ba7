"""Script threads of a session begin after the last message of the one before was handled."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from streamlit.runtime.app_session import AppSession, AppSessionState
from streamlit.runtime.scriptrunner import RerunData

from pages.ui.app.server import last_messages


class Runner:
    """Script runner that has ended, or takes requests."""

    def __init__(self, *, has_ended: bool) -> None:
        self.has_ended = has_ended
        self.taken: list[RerunData] = []

    def request_rerun(self, request: RerunData) -> bool:
        if not self.has_ended:
            self.taken.append(request)
        return not self.has_ended


@pytest.fixture
def created(monkeypatch: pytest.MonkeyPatch) -> list[RerunData]:
    """Return the requests for which the guarded server has created a script thread."""
    requests: list[RerunData] = []
    monkeypatch.setattr(AppSession, "_create_scriptrunner", lambda _, request: requests.append(request))
    last_messages.guard.__wrapped__()
    return requests


def session_with(runner: Runner | None) -> Any:
    session: Any = AppSession.__new__(AppSession)
    session._scriptrunner, session._state = runner, AppSessionState.APP_IS_RUNNING
    session._event_loop = asyncio.new_event_loop()
    return session


def handle_events(session: Any) -> None:
    session._event_loop.run_until_complete(asyncio.sleep(20 * last_messages.RETRY_SECONDS))


def close(session: Any) -> None:
    session._state = AppSessionState.SHUTDOWN_REQUESTED
    handle_events(session)
    session._event_loop.close()


def test_a_new_thread_waits_for_the_last_message_of_the_ended_one(created: list[RerunData]) -> None:
    session, request = session_with(Runner(has_ended=True)), RerunData(fragment_id="live")
    session._create_scriptrunner(request)
    handle_events(session)
    assert created == []
    session._scriptrunner = None  # as the server does at the last event
    handle_events(session)
    assert created == [request]
    close(session)


def test_a_waiting_request_joins_a_thread_that_began_meanwhile(created: list[RerunData]) -> None:
    session, request = session_with(Runner(has_ended=True)), RerunData(fragment_id="live")
    session._create_scriptrunner(request)
    session._scriptrunner = Runner(has_ended=False)
    handle_events(session)
    assert session._scriptrunner.taken == [request]
    assert created == []
    close(session)


def test_a_closed_session_begins_nothing(created: list[RerunData]) -> None:
    session = session_with(Runner(has_ended=True))
    session._create_scriptrunner(RerunData())
    close(session)
    assert created == []


def test_a_first_thread_begins_at_once(created: list[RerunData]) -> None:
    session, request = session_with(None), RerunData()
    session._create_scriptrunner(request)
    assert created == [request]
    close(session)


def test_streamlit_still_has_what_the_guard_relies_on() -> None:
    """Without these the guard waits for ever. See whether Streamlit has mended its issue 9921, and drop the guard."""
    import inspect

    shutdown = inspect.getsource(AppSession._handle_scriptrunner_event_on_event_loop)
    assert "self._scriptrunner = None" in shutdown.partition("ScriptRunnerEvent.SHUTDOWN:")[2]
    assert "self._create_scriptrunner(" in inspect.getsource(AppSession.request_rerun)
