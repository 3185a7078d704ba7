"""Messages for errors on a page; tracebacks go to the log."""

from __future__ import annotations

import functools
import logging
import secrets
from collections.abc import Callable
from typing import Any

import streamlit as st
from streamlit import runtime
from streamlit.runtime.runtime import RuntimeState

from pages.ui.app.server import metrics
from pages.ui.widgets.text.escape import escape_markdown

log = logging.getLogger(__name__)


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
        except Exception:
            if _is_stopping():  # imports fail during a shutdown, and no browser is connected any more
                return None
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


def _log_error(function: Callable[..., Any]) -> str:
    """Log the exception that is being handled; return the id under which the log has it."""
    number = secrets.token_hex(4)
    name = getattr(function, "__qualname__", function)
    log.exception("error %s in %s", number, name, extra={"event": "error", "error": number})
    metrics.count("distillery_errors_total")
    return number


def _is_stopping() -> bool:
    return runtime.exists() and runtime.get_instance().state in (RuntimeState.STOPPING, RuntimeState.STOPPED)
