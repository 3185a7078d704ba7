"""Roles of sessions, presenter or viewer, and the login of presenters.

A presenter may start and change things; a viewer may only look. Without a password or an identity provider, browsers on
this machine are presenters and browsers elsewhere are viewers. The proof that a session is a presenter's is a secret of
this process, kept in the session on the server and never sent to a browser.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import logging
import math
import os
import re
import secrets
import sys
import threading
from typing import Any
from urllib.parse import urlsplit

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from pages.ui.app.login_throttle import LoginThrottle
from pages.ui.app.quotas import Quotas
from pages.ui.app.server import metrics
from pages.ui.widgets.text.escape import escape_markdown

log = logging.getLogger(__name__)

PRESENTER, VIEWER = "presenter", "viewer"
PASSWORD, PRESENTERS = "DISTILLERY_PRESENTER_PASSWORD", "DISTILLERY_PRESENTERS"
VIEWER_MESSAGE = "View only. Only a presenter can start, change or delete something: log in at the top of the page."
REFUSAL_SECONDS = 3.0  # between two attempts to take over a data folder that another app manages
LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")
# What proxies, tunnels and load balancers add to a request, and browsers do not.
PROXY_HEADERS = re.compile(
    r"via|forwarded(-for)?|cdn-loop|traceparent|tracestate|surrogate-.*|(.*-)?client-?ip|.*-connecting-ip|proxy-.*"
    r"|(cf|fly|fastly|akamai|ngrok|tailscale|cloudfront|true-client)-.*"
    r"|x-(forwarded|real|original|envoy|amz|amzn|azure|arr|akamai|appengine|cloud|cluster|client|b3|proxy|vercel|nf|goog"
    r"|request|correlation|scheme|ssl|remote|served|host|ingress|github|gateway|auth)(-.*|user.*)?",
    re.IGNORECASE,
)

_throttle = LoginThrottle()
_token = secrets.token_hex(32)
_presenter_sessions: set[str] = set()
_lock = threading.Lock()


def role() -> str:
    """Return the role of the current session; while another process trains in the data folder, all are viewers."""
    if folder_refusal():
        return VIEWER
    if not has_remote_presenters():
        return PRESENTER if _is_local() else VIEWER
    return PRESENTER if st.session_state.get("pass") == _token or _is_listed() else VIEWER


def may_act() -> bool:
    """Whether this session may start, change or delete anything."""
    return role() == PRESENTER


def folder_refusal() -> str:
    """Return why nothing can be started in this data folder by anybody, as a sentence; empty if it can."""
    # A fresh server draws its first page while a thread imports the engine, which is not waited for.
    opened = getattr(sys.modules.get("kd_core.runs.manager"), "opened_manager", None)
    runs = opened() if opened is not None else None
    return str(runs.refusal) if runs is not None else ""


def viewer_message() -> str:
    """Return why the current session cannot act."""
    return folder_refusal() or VIEWER_MESSAGE


def session() -> str:
    """Return the id of the current session, which is one tab of one browser; other sessions cannot read it."""
    context = get_script_run_ctx()
    return context.session_id if context else ""


def has_remote_presenters() -> bool:
    """Whether a password or an identity provider lets browsers on other machines act."""
    return bool(password() or has_logins())


def limits() -> Quotas:
    """Return the limits of every session.

    Raises:
        ValueError: for an environment variable that is not a whole number.
    """
    return Quotas.read(is_room=has_remote_presenters())


def password() -> str:
    """Return the presenters' password from the environment or Streamlit's secrets, empty if none is set."""
    return os.environ.get(PASSWORD) or str(secret("presenter_password") or "")


def presenters() -> set[str]:
    """Return the e-mail addresses of presenters, in lower case."""
    setting = os.environ.get(PRESENTERS) or secret("presenters") or ""
    addresses = setting.split(",") if isinstance(setting, str) else setting
    return {str(address).strip().casefold() for address in addresses} - {""}


def has_logins() -> bool:
    """Whether an identity provider (OpenID Connect) is configured in Streamlit's secrets."""
    return secret("auth") is not None


@functools.cache  # Streamlit looks for the file at every access
def secret(name: str) -> Any:
    """Return one of Streamlit's secrets, or None."""
    try:
        return st.secrets[name]
    except (KeyError, FileNotFoundError):
        return None


def is_presenter_session(session_id: str) -> bool:
    """Whether a session is a presenter's, for requests that do not run a script."""
    with _lock:
        return session_id in _presenter_sessions


def login_bar() -> None:
    """Record the role of this session and show it with a login or logout button, at the top of every page.

    Nothing is shown to a presenter who cannot log out.
    """
    is_presenter = may_act()
    with _lock:
        (_presenter_sessions.add if is_presenter else _presenter_sessions.discard)(session())
    if is_presenter and not has_remote_presenters():
        return
    if folder_refusal():
        st.fragment(_refusal, run_every=REFUSAL_SECONDS)()
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="room"):
        if is_presenter:
            st.caption("You are presenting.", width="content")
            st.button("Log out", key="log out", type="tertiary", on_click=log_out)
            return
        st.caption("View only.", width="content")
        if has_logins() and not _is_logged_in():
            st.button("Log in", key="log in", type="tertiary", on_click=st.login)
        if password():
            _login_form()
        elif has_logins() and _is_logged_in():
            st.caption("Your e-mail address is not registered as a presenter’s.", width="content")


def _refusal() -> None:
    """Draw why nothing can be started, until the data folder is free; then this app takes it over."""
    sys.modules["kd_core.runs.manager"].get_manager()
    if not (refusal := folder_refusal()):
        st.rerun()
    st.info(escape_markdown(refusal), icon=":material/visibility:")


def _login_form() -> None:
    with st.popover("Presenter? Log in", type="tertiary"), st.form("door", clear_on_submit=True, border=False):
        st.text_input("Password", type="password", key="presenter password", autocomplete="current-password")
        st.form_submit_button("Log in", on_click=_submit, type="primary")
        if error := st.session_state.pop("login error", ""):
            st.error(escape_markdown(error))


def _submit() -> None:
    if error := log_in(str(st.session_state.get("presenter password") or "")):
        st.session_state["login error"] = error
        st.toast(escape_markdown(error), icon=":material/lock:")


def log_in(attempt: str) -> str:
    """Make the session a presenter's if ``attempt`` is the password.

    Returns an empty string, or a message that says why not. The answer takes a second while many wrong passwords come
    from the same address.
    """
    address = st.context.ip_address or LOCAL_HOSTS[0]
    if delay := _throttle.attempt(session(), address):
        _record_login("delayed", address)
        return f"Too many wrong passwords. Try again in {math.ceil(delay)} s."
    expected = password()
    if not expected or not hmac.compare_digest(_digest(attempt), _digest(expected)):
        _record_login("wrong", address)
        return "The password is wrong."
    _throttle.succeed(session(), address)
    _record_login("accepted", address)
    st.session_state["pass"] = _token
    return ""


def log_out() -> None:
    """Make the session a viewer's."""
    st.session_state.pop("pass", None)
    with _lock:
        _presenter_sessions.discard(session())
    if has_logins() and _is_logged_in():
        st.logout()


def _record_login(result: str, address: str) -> None:
    metrics.count("distillery_logins_total", result=result)
    level = logging.INFO if result == "accepted" else logging.WARNING
    log.log(level, "login from %s: %s", address, result, extra={"event": "login", "address": address, "result": result})


def _digest(text: str) -> bytes:
    # Digests have equal lengths, so the time of the comparison does not reveal the length of the password.
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()


def _is_logged_in() -> bool:
    return bool(st.user.get("is_logged_in"))


def _is_listed() -> bool:
    if not has_logins() or not _is_logged_in() or st.user.get("email_verified") is False:
        return False
    return str(st.user.get("email") or "").strip().casefold() in presenters()


def _is_local() -> bool:
    """Whether the browser runs on this machine and requested it under a name of :data:`LOCAL_HOSTS`.

    Other names are refused, since a foreign page can let its own name point to this machine (DNS rebinding). A proxy
    on this machine may pass on the requests of others, so any sign of one counts; that the page was opened under
    another name is one, which browsers tell as the origin.
    """
    headers = st.context.headers
    addresses = [f"//{headers.get('Host', '127.0.0.1')}", headers.get("Origin") or "//127.0.0.1"]
    try:
        hosts = {urlsplit(address).hostname for address in addresses}
    except ValueError:  # unbalanced brackets
        return False
    is_proxied = any(PROXY_HEADERS.fullmatch(name) for name in headers)
    return st.context.ip_address is None and hosts <= set(LOCAL_HOSTS) and not is_proxied
