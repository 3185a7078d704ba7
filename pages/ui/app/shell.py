"""What surrounds every page: the menu, what happens once per server, and the way back from a link to a page file."""

from __future__ import annotations

import atexit
import functools
import gc
import logging
import threading
from pathlib import Path

import streamlit as st
from streamlit import runtime
from streamlit.navigation.page import Page
from streamlit.runtime import Runtime

from kd_core.base import process
from pages.ui import components
from pages.ui.app import auth, upload_guard
from pages.ui.app.errors import catch_errors

log = logging.getLogger(__name__)

ROOT = Path(__file__).parents[3]
# Without icons: Streamlit makes the icon of a page its favicon, and lets the browser fetch it from a font server.
PAGES = (
    ("start", "Start"), ("temperature", "Temperature"), ("distill", "Distill"), ("sweep", "Sweep"),
    ("inspect", "Inspect"), ("compare", "Compare"), ("experiments", "Experiments"),
)  # fmt: skip
# Streamlit leaves a hand's breadth above every page and has no setting for it. On a projector that hides the result.
LESS_AIR = "<style>.stMainBlockContainer { padding-top: 4.5rem; padding-bottom: 4rem }</style>"
# What has the focus must be seen: Streamlit gives a link a background that can hardly be told from the paper, and
# Plotly outlines a button above a chart in black, on dark paper too. What is chosen must be read as well as what is
# not: on dark paper Streamlit writes it darker. Frame and tint still tell it apart.
SEEN = """<style>
  .stApp :is(a, .modebar-btn):focus-visible {
    outline: 2px solid CanvasText !important; box-shadow: none; border-radius: 4px;
  }
  .stApp button[data-variant]:is([aria-checked="true"], [aria-pressed="true"]) * { color: CanvasText }
</style>"""

ICON = "⚗️"
PATIENCE = 15.0  # seconds


def navigation() -> Page:
    """The menu, and the page that was asked for."""
    prepare_server()
    return st.navigation([page(name) for name, _ in PAGES], position="top")


def page(name: str) -> Page:
    """One of :data:`PAGES`. A link to it is made far sooner than one to its file, which Streamlit looks for on disk."""
    return st.Page(ROOT / "pages" / f"{name}.py", title=dict(PAGES)[name], url_path=name, default=name == PAGES[0][0])


def run_page(chosen: Page) -> None:
    """Runs a page inside the frame. An error becomes a sentence; its traceback goes to the log."""
    st.set_page_config(page_title=f"{chosen.title} · Distillery", page_icon=ICON)
    st.html(LESS_AIR + SEEN)
    st.session_state["is_framed"] = True
    try:
        catch_errors(auth.login_bar)()
        catch_errors(chosen.run)()
    finally:
        st.session_state["is_framed"] = False


def ensure_navigation() -> None:
    """First line of every page.

    On a fresh server the very first request, if it is a link to a page, makes Streamlit run that file alone, without
    ``app.py``. Registering the navigation and starting over puts the page into its frame.
    """
    if not st.session_state.get("is_framed"):
        navigation()
        st.rerun()


@st.cache_resource(show_spinner=False)
def prepare_server() -> bool:
    """Once per server: the browser components' files, who may upload, and the engine's imports in their own thread."""
    if runtime.exists() and isinstance(runtime.get_instance(), Runtime):  # else its exit status is somebody else’s
        process.exit_without_joining()
    components.publish(ROOT / "static")
    upload_guard.guard()
    loading = threading.Thread(target=_import_engine, name="importing the engine", daemon=True)
    loading.start()
    # Torch aborts the process if the interpreter goes away while it is being loaded.
    atexit.register(loading.join, PATIENCE)
    return True


def _import_engine() -> None:
    """Takes seconds, so the first page is drawn meanwhile. What is loaded is left out of garbage collection."""
    try:
        import kd_core.runs.manager  # noqa: F401
        from kd_core.config.run import from_flat
        from kd_core.nn import cost

        # The first use of these loads more of torch and scikit-learn, a second or two each.
        cost.measure(functools.partial(from_flat({"dataset": "moons"}).student.build, (2,), 2), (2,))
        from_flat({"dataset": "digits"})
        import pandas as pd  # noqa: F401  # for the tables of the lab
    except Exception:
        # Usually the process is ending while this loads. Whatever else it is, the page that needs it says so.
        log.debug("the engine could not be loaded ahead of its use", exc_info=True)
    gc.collect()
    gc.freeze()
