"""What a page says when something fails: a sentence, never a traceback."""

from __future__ import annotations

import functools
import logging
import secrets
from collections.abc import Callable, Collection
from typing import Any

import streamlit as st
from streamlit import runtime
from streamlit.runtime.runtime import RuntimeState

from pages.ui.text.escape import escape_markdown

log = logging.getLogger(__name__)


def show_refusals(refused: list[str], names: Collection[str]) -> None:
    """The refusals of these settings, where they can be mended: "labelled = 5000: the training split has …"."""
    from pages.ui.app import (
        settings,  # brings the engine, which takes seconds to load: the frame of a page does without
    )

    for line in refused:
        if line.split(" ", 1)[0] in names:
            st.error(escape_markdown(settings.with_labels(line)))


def catch_errors(act: Callable[..., Any]) -> Callable[..., Any]:
    """``act``, with a sentence on the screen for every error; the traceback goes to the log.

    A fragment is run again without the page around it, so each needs this of its own.
    """

    @functools.wraps(act)
    def run(*given: Any, **named: Any) -> Any:
        try:
            return act(*given, **named)
        except ValueError as error:
            st.error(escape_markdown(str(error)))
        except Exception:
            if _is_ending():  # modules go away while they are loaded, and nobody looks at this page any more
                return None
            number = secrets.token_hex(4)
            log.exception("error %s in %s", number, getattr(act, "__qualname__", act))
            st.error(f"Something went wrong, and nothing of yours is lost. The server’s log says more under {number}.")
        return None

    return run


def _is_ending() -> bool:
    """Whether this process was told to end."""
    return runtime.exists() and runtime.get_instance().state in (RuntimeState.STOPPING, RuntimeState.STOPPED)
