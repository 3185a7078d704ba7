"""Who is in front of this session: a presenter, who may start and change things, or a viewer, who sees everything.

Without a password and without logins, whoever sits at this machine is a presenter, and whoever comes over a network is
a viewer. What a browser sends decides nothing: the pass of a presenter is a secret of this process, kept in the
session on the server, and never sent.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import math
import os
import secrets
import threading
from typing import Any
from urllib.parse import urlsplit

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from pages.ui.app.login_throttle import LoginThrottle
from pages.ui.app.quotas import Quotas
from pages.ui.text.escape import escape_markdown

PRESENTER, VIEWER = "presenter", "viewer"
PASSWORD, PRESENTERS = "DISTILLERY_PRESENTER_PASSWORD", "DISTILLERY_PRESENTERS"
VIEWER_MESSAGE = (
    "You are watching. Only a presenter can start, change or delete something: log in at the top of the page."
)
HERE = ("localhost", "127.0.0.1", "::1")
FORWARDED = ("X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip", "Forwarded")  # somebody stands between

_attempts = LoginThrottle()
_pass = secrets.token_hex(32)
_inside: set[str] = set()  # sessions of presenters
_lock = threading.Lock()


def role() -> str:
    """Of the session whose script runs."""
    if not has_remote_presenters():
        return PRESENTER if _is_here() else VIEWER
    return PRESENTER if st.session_state.get("pass") == _pass or _is_listed() else VIEWER


def may_act() -> bool:
    """Whether this session may start, change or delete anything."""
    return role() == PRESENTER


def session() -> str:
    """The id of the session whose script runs: of one tab of one browser. Nobody else knows it."""
    context = get_script_run_ctx()
    return context.session_id if context else ""


def has_remote_presenters() -> bool:
    """Whether others than the person at this machine may act."""
    return bool(password() or has_logins())


def limits() -> Quotas:
    """Those that hold for every session. Raises ValueError for a variable that is no number."""
    return Quotas.read(is_room=has_remote_presenters())


def password() -> str:
    """Of presenters, from the environment or Streamlit's secrets; empty where none is set."""
    return os.environ.get(PASSWORD) or str(secret("presenter_password") or "")


def presenters() -> set[str]:
    """E-mail addresses of those who are presenters once they have logged in."""
    named = os.environ.get(PRESENTERS) or secret("presenters") or ""
    listed = named.split(",") if isinstance(named, str) else named
    return {str(one).strip().casefold() for one in listed} - {""}


def has_logins() -> bool:
    """Whether Streamlit was told of a provider of identities (OpenID Connect)."""
    return secret("auth") is not None


@functools.cache
def secret(name: str) -> Any:
    """One of Streamlit's secrets, None where there is none. Read once: the file is looked for at every question."""
    try:
        return st.secrets[name]
    except (KeyError, FileNotFoundError):
        return None


def is_presenter_session(session_id: str) -> bool:
    """Whether a session is a presenter's; for requests that run no script."""
    with _lock:
        return session_id in _inside


def login_bar() -> None:
    """Notes the role of this session, and says it where there is a choice. Once at the head of every page."""
    is_presenter = may_act()
    with _lock:
        (_inside.add if is_presenter else _inside.discard)(session())
    if is_presenter and not has_remote_presenters():
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="room"):
        if is_presenter:
            st.caption("You are presenting.", width="content")
            st.button("Log out", key="log out", type="tertiary", on_click=log_out)
            return
        st.caption("You are watching: look at everything, start nothing.", width="content")
        if has_logins() and not _is_logged_in():
            st.button("Log in", key="log in", type="tertiary", on_click=st.login)
        if password():
            _door()
        elif has_logins() and _is_logged_in():
            st.caption("Your address is not among those of the presenters.", width="content")


def _door() -> None:
    with st.popover("Presenter? Log in", type="tertiary"), st.form("door", clear_on_submit=True, border=False):
        st.text_input("Password", type="password", key="presenter password", autocomplete="current-password")
        st.form_submit_button("Log in", on_click=_try, type="primary")
        if said := st.session_state.pop("refused at the door", ""):
            st.error(escape_markdown(said))


def _try() -> None:
    given = st.session_state.get("presenter password")
    if said := log_in(str(given or "")):
        st.session_state["refused at the door"] = said
        st.toast(escape_markdown(said), icon=":material/lock:")


def log_in(given: str) -> str:
    """Lets the session in if ``given`` is the password; else a sentence that says why not. Never waits."""
    if wait := _attempts.attempt(session()):
        return f"Too many wrong passwords. Try again in {math.ceil(wait)} s."
    wanted = password()
    if not wanted or not hmac.compare_digest(_digest(given), _digest(wanted)):
        return "That is not the password."
    _attempts.succeed(session())
    st.session_state["pass"] = _pass
    return ""


def log_out() -> None:
    """The session is a viewer's from now on."""
    st.session_state.pop("pass", None)
    with _lock:
        _inside.discard(session())
    if has_logins() and _is_logged_in():
        st.logout()


def _digest(text: str) -> bytes:
    # Of equal length, whatever was typed: the time to compare them tells nothing.
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()


def _is_logged_in() -> bool:
    return bool(st.user.get("is_logged_in"))


def _is_listed() -> bool:
    if not has_logins() or not _is_logged_in() or st.user.get("email_verified") is False:
        return False
    return str(st.user.get("email") or "").strip().casefold() in presenters()


def _is_here() -> bool:
    """Whether the browser runs on this machine, and asked for it by its own name.

    A name that anybody else gave to this machine, as a page that wants to act in the reader's place does (DNS
    rebinding), is not its own.
    """
    headers = st.context.headers
    try:
        host = urlsplit(f"//{headers.get('Host', '127.0.0.1')}").hostname
    except ValueError:  # a bracket too many
        return False
    return st.context.ip_address is None and host in HERE and not any(name in headers for name in FORWARDED)
