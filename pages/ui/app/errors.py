"""Messages for errors on a page; tracebacks go to the log."""

from __future__ import annotations

import functools
import logging
import secrets
from collections.abc import Callable
from typing import Any

import streamlit as st
from streamlit import error_util, runtime
from streamlit.runtime.runtime import RuntimeState

from pages.ui.app.server import metrics
from pages.ui.widgets.text.escape import escape_markdown

log = logging.getLogger(__name__)

# Streamlit begins the next run of a session in a second thread while the run that it replaces may still read the
# session's state, without a lock between the two.
CHANGED = "changed size during iteration"


def catch_errors(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``function`` with every error shown as a message and logged with its traceback.

    Streamlit reruns a fragment without the page around it, so every fragment needs this decorator.
    """

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except ValueError as error:
            st.error(escape_markdown(str(error)))
        except Exception as error:
            if _is_stopping():  # imports fail during a shutdown, and no browser is connected any more
                return None
            if CHANGED in str(error):
                st.session_state.get("")  # ends a run that a newer one has replaced
                st.rerun()
            number = _log_error(function)
            st.error(f"Something went wrong. No data is lost. The server’s log has the details under {number}.")
        return None

    return run


def toast_errors(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``function`` as a widget callback whose errors are shown as toasts, since a callback cannot draw."""

    def callback(*args: Any, **kwargs: Any) -> None:
        try:
            function(*args, **kwargs)
        except ValueError as error:
            st.toast(escape_markdown(str(error)), icon=":material/block:", duration="long")
        except Exception:
            number = _log_error(function)
            st.toast(f"Something went wrong. The server’s log has the details under {number}.", icon=":material/error:")

    return callback


def catch_uncaught() -> None:
    """Treat exceptions that reach Streamlit, such as those of callbacks and of forged widget values, as others.

    Streamlit would show a sentence without an id, and log a traceback in colours.
    """
    error_util._log_uncaught_app_exception = _log_nothing
    error_util.show_uncaught_app_exception = _show_uncaught


def _log_nothing(ex: BaseException) -> None:
    """Leave the log to :func:`_show_uncaught`."""


def _show_uncaught(ex: BaseException) -> None:
    number = _log_error("a callback", ex)
    st.error(f"Something went wrong. No data is lost. The server’s log has the details under {number}.")


def _log_error(function: object, error: BaseException | None = None) -> str:
    """Log ``error``, or the one that is being handled; return the id under which the log has it."""
    number = secrets.token_hex(4)
    name = getattr(function, "__qualname__", function)
    log.error("error %s in %s", number, name, exc_info=error or True, extra={"event": "error", "error": number})
    metrics.count("distillery_errors_total")
    return number


def _is_stopping() -> bool:
    return runtime.exists() and runtime.get_instance().state in (RuntimeState.STOPPING, RuntimeState.STOPPED)
