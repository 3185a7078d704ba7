"""Delivery of the last messages of a page's run, which Streamlit loses when the next run begins too soon.

A script thread hands its messages to the event loop of the server. Once it has ended, the next request of a fragment
starts another thread, and the server ignores whatever the loop has not yet handled of the one before: on a busy server
a page without its end, and "Bad delta path index" from the fragment that belongs there. Streamlit checks for it where a
fragment is gone (its issue 9921), not where the fragment is still there.
"""

from __future__ import annotations

import functools

from streamlit.runtime.app_session import AppSession, AppSessionState
from streamlit.runtime.scriptrunner import RerunData

RETRY_SECONDS = 0.002


@functools.cache
def guard() -> None:
    """Let a new script thread begin after the last message of the one before; does so once per process."""
    create = AppSession._create_scriptrunner

    def create_after_last_message(session: AppSession, rerun_data: RerunData) -> None:
        ended = session._scriptrunner  # until the loop has handled its last message
        if ended is None:
            create(session, rerun_data)
        elif session._state != AppSessionState.SHUTDOWN_REQUESTED and not ended.request_rerun(rerun_data):
            session._event_loop.call_later(RETRY_SECONDS, create_after_last_message, session, rerun_data)

    AppSession._create_scriptrunner = create_after_last_message  # type: ignore[method-assign, assignment]
