"""Rejection of viewers' file uploads with HTTP status 403."""

from __future__ import annotations

from streamlit import runtime

from pages.ui.app import auth


def guard() -> None:
    """Reject uploads to this server except from sessions of presenters.

    A browser can send files even if its page shows no upload field, and they would stay in the server's memory until
    the session ends. Streamlit checks that the session exists before it reads a file; this replaces that check by one
    that raises HTTP status 403 for viewers. Does nothing outside a server.
    """
    if not runtime.exists():
        return
    server = runtime.get_instance()
    is_active_session = server.is_active_session

    def may_upload(session_id: str) -> bool:
        if not is_active_session(session_id):
            return False
        if not auth.is_presenter_session(session_id):
            from starlette.exceptions import HTTPException  # installed with the server, needed only there

            raise HTTPException(403, auth.viewer_message())
        return True

    server.is_active_session = may_upload  # type: ignore[method-assign]
