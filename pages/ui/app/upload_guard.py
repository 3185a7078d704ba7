"""Streamlit's own way for files into the server: closed to viewers before a byte of theirs is read."""

from __future__ import annotations

from streamlit import runtime

from pages.ui.app import auth


def guard() -> None:
    """Lets the sessions of presenters alone send files to this server.

    A page that offers a viewer no field for files keeps no browser from sending some: they would lie in the server's
    memory until the session ends. Streamlit asks one question before it reads a file, whether the session exists; the
    answer to a viewer is HTTP status 403. Nothing is done outside a server.
    """
    if not runtime.exists():
        return
    server = runtime.get_instance()
    exists = server.is_active_session

    def may_send(session_id: str) -> bool:
        if not exists(session_id):
            return False
        if not auth.is_presenter_session(session_id):
            from starlette.exceptions import HTTPException  # comes with the server, and is needed there alone

            raise HTTPException(403, auth.VIEWER_MESSAGE)
        return True

    server.is_active_session = may_send  # type: ignore[method-assign]
