"""Navigation and page frame, and the set-up that happens once per server."""

from __future__ import annotations

import atexit
import copy
import functools
import gc
import logging
import threading
import time
from pathlib import Path

import streamlit as st
from streamlit import runtime
from streamlit.navigation.page import Page
from streamlit.runtime import Runtime

from kd_core.base import process
from pages.ui import components
from pages.ui.app import auth, url_state
from pages.ui.app.errors import catch_errors, catch_uncaught
from pages.ui.app.room import bar as room_bar
from pages.ui.app.server import last_messages, logs, metrics, upload_guard
from pages.ui.widgets import projector

log = logging.getLogger(__name__)

ROOT = Path(__file__).parents[3]
# Without icons: Streamlit makes the icon of a page its favicon, and lets the browser fetch it from a font server.
PAGES = (
    ("start", "Start"), ("learn", "Learn"), ("temperature", "Temperature"), ("distill", "Distill"), ("sweep", "Sweep"),
    ("inspect", "Inspect"), ("compare", "Compare"), ("compress", "Compress"), ("tasks", "Tasks"),
    ("experiments", "Experiments"), ("glossary", "Glossary"),
)  # fmt: skip
TASK_PAGES = (("language", "Language"), ("segmentation", "Segmentation"), ("detection", "Detection"))  # behind Tasks
TITLES = dict((*PAGES, *TASK_PAGES))
# Streamlit's top margin has no setting, and on a projector it pushes the result off the screen. Lines of text longer
# than this width are hard to read. The buttons of the frame stand in the header, beside the menu.
FRAME_STYLE = """<style>
  .stMainBlockContainer { padding-top: 3.5rem; padding-bottom: 4rem; max-width: 1800px }
  .st-key-header-buttons { position: fixed; top: 1rem; right: 1.25rem; z-index: 999991; width: auto }
  .st-key-header-buttons > * { width: auto }
  [data-testid="stTopNav"] { max-width: calc(100% - 20.5rem); margin-right: auto }
  div:has(> .st-key-header-buttons) { position: absolute }
  .st-key-open-room button { min-height: 1.9rem; padding: 0 0.5rem; border-radius: 4px }
  .st-key-open-room p { font-size: 0.875rem }
  .st-key-classroom-bar { margin-top: 1.5rem }
  @media (max-width: 640px) { [class*="st-key-open-room"], [class*="st-key-projector-switch"] { display: none } }
</style>"""
# Streamlit marks a focused link by a background that hardly differs from the page's, Plotly outlines a focused button
# in black even on a dark page, and Streamlit writes the chosen segment darker on a dark page, below the contrast that
# WCAG asks for, and so are captions on a light page and the value of a slider on a dark one. Frame and tint still mark
# the chosen segment. What a redraw has not reached within half a second it fades to a third: text that is still true,
# and that somebody may be reading, would come and go on a busy server.
CONTRAST_STYLE = """<style>
  .stApp :is(a, .modebar-btn):focus-visible {
    outline: 2px solid CanvasText !important; box-shadow: none; border-radius: 4px;
  }
  .stApp button[data-variant]:is([aria-checked="true"], [aria-pressed="true"]) * { color: CanvasText }
  .stApp button kbd { color: inherit; opacity: 1 }
  .stApp .stSlider p { color: CanvasText }
  .stApp [data-testid="stCaptionContainer"] { opacity: 0.7 }
  .stApp [data-stale="true"] { opacity: 1 !important; transition: none !important }
</style>"""

ICON = "⚗️"
IMPORT_TIMEOUT = 15.0  # seconds
_has_engine = threading.Event()


def navigation() -> Page:
    """Register all pages in the menu and return the requested one."""
    prepare_server()
    return st.navigation([page(name) for name in TITLES], position="top")


def page(name: str) -> Page:
    """Return one of :data:`TITLES` as a page object.

    ``st.page_link`` takes far less time for it than for a file name, which Streamlit looks up on disk, as it does for
    every new page object. A page can be run once, so each run of the script has a copy.
    """
    return copy.copy(_page(name))


@functools.cache
def _page(name: str) -> Page:
    return st.Page(
        ROOT / "pages" / f"{name}.py", title=TITLES[name], url_path=name, default=name == PAGES[0][0],
        visibility="hidden" if name in dict(TASK_PAGES) else "visible",
    )  # fmt: skip


def run_page(chosen: Page) -> None:
    """Run a page below the login bar; an error becomes a message and its traceback goes to the log."""
    st.set_page_config(page_title=f"{chosen.title} · Distillery", page_icon=ICON)
    projector.restore()
    st.html(FRAME_STYLE + CONTRAST_STYLE + projector.STYLE * projector.is_on())
    st.session_state["is_framed"] = True
    begun, name = time.perf_counter(), chosen.url_path or PAGES[0][0]
    content, loading = st.container(), st.empty()
    if not _has_engine.is_set():
        loading.caption("Loading PyTorch, which takes some seconds after the server has started …")
    try:
        # The keyboard reaches the content of the page before these.
        catch_errors(_header_buttons)()
        with content:
            refusal = auth.folder_refusal()
            catch_errors(auth.login_bar)()
            catch_errors(room_bar.show)(name)
            catch_errors(chosen.run)()
            if bool(auth.folder_refusal()) != bool(refusal):  # this page has opened the data folder, or taken it over
                st.rerun()
    finally:
        st.session_state["is_framed"] = False
        metrics.count("distillery_pages_total", page=name)
        seconds = time.perf_counter() - begun
        metrics.count("distillery_page_seconds_total", seconds, page=name)
        url_state.discount(seconds)
        loading.empty()


def _header_buttons() -> None:
    """Draw the switch of projector mode, and the button that copies the link to this view."""
    with st.container(key="header-buttons", horizontal=True, vertical_alignment="center", gap="small"):
        room_bar.open_button()
        projector.switch()
        components.component("copy_link")(key="copy link", width="content")


def ensure_navigation() -> None:
    """Make sure that a page runs inside the frame; the first statement of every page.

    If the first request to a fresh server is a link to a page, Streamlit runs that file alone, without ``app.py``.
    Registering the navigation and rerunning puts the page into its frame.
    """
    if not st.session_state.get("is_framed"):
        navigation()
        st.rerun()


@st.cache_resource(show_spinner=False)
def prepare_server() -> bool:
    """Open log and metrics, publish the components' files, guard uploads and import the engine in a thread, once."""
    if runtime.exists() and isinstance(runtime.get_instance(), Runtime):  # only a server may end this process early
        process.exit_without_joining()
        logs.configure()
        catch_uncaught()
        metrics.serve()
    components.publish(ROOT / "static")
    upload_guard.guard()
    last_messages.guard()
    is_exiting = threading.Event()
    thread = threading.Thread(target=_import_engine, args=(is_exiting,), name="importing the engine", daemon=True)
    thread.start()
    # Torch aborts the process if the interpreter exits while torch is being imported.
    atexit.register(thread.join, IMPORT_TIMEOUT)
    atexit.register(is_exiting.set)  # the last one registered is called first
    return True


def _import_engine(is_exiting: threading.Event) -> None:
    """Import the engine, which takes seconds, and exempt its objects from garbage collection."""
    begun = time.monotonic()
    gc.disable()  # a tenth of the time
    try:
        import kd_core.runs.manager  # noqa: F401

        _has_engine.set()
        gc.enable()
        # The first visitor's page has the interpreter to itself, the longer the slower this machine is.
        if is_exiting.wait(2 * (time.monotonic() - begun)):
            return
        from kd_core.config.run import from_flat
        from kd_core.nn import cost

        # The first use of these loads more of torch and scikit-learn, a second or two each.
        cost.measure(functools.partial(from_flat({"dataset": "moons"}).student.build, (2,), 2), (2,))
        from_flat({"dataset": "digits"})
        import pandas as pd  # noqa: F401  # for tables
    except Exception:
        # Mostly the process is shutting down. Any other error appears again on the page that imports the engine.
        log.debug("the engine could not be imported in advance", exc_info=True)
    finally:
        gc.enable()
    gc.collect()
    gc.freeze()
