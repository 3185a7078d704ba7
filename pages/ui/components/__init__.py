"""Browser components: live curves, soft-target bars, decision surfaces and the scrubber that moves them together.

``component(name)`` gives the mounting command of one of :data:`_PARTS`: those of a run's live view, which share its
moments, those of the Temperature page, which share a bench (``bench/bench.js``), and ``matching``,
``arrangement`` and ``cards``, which stand alone.
Give every mounted component a ``key``: without one it is built anew at each change of its data.

**The feed.** Every payload is ``{"run": str, "from": int, "frames": [...], ...}``. Frames are append-only; ``from`` is
the position of the first one sent. A new ``run`` clears the component. Where frames are missing (a dropped update, a
page opened anew) the component sets the trigger ``resync`` to the number of frames it has; send from there again::

    def resync() -> None:
        cursors["curves"] = st.session_state["curves"].resync

    component("curves")(key="curves", data=payload, on_resync_change=resync)

Sending frames twice is harmless: the overlap is dropped. Heavy fields (``feed.HEAVY``) may be left out of
payloads whose ``from`` is above 0: the component keeps them for the run.

**Moments.** A run has a list of moments (say, one per epoch and phase); a moment is an index into it. Components of a
page with the same ``run`` show the same moment, without the server. The scrubber's frames *are* the list, each
``{"x", "label", "phase", "accuracy"}``; without a scrubber, the frames of ``surfaces`` may carry the same fields beside
their ``moment``. Frames of ``bars`` and ``surfaces`` name their ``moment``, and ``curves`` draws a line at its ``x``.
Nothing chosen means "follow": the latest moment, or the one that a playback of ``surfaces`` has come to.

**Bytes.** Streamlit sends a component's script again with every update. ``publish(folder)`` writes the scripts (and
Plotly) into the app's static folder once, and what is sent shrinks to a loader. Without it everything still works.

The look comes from ``palette.py``, which is joined to the scripts, so that Python and the browser share one source.
"""

import hashlib
import json
import os
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

import streamlit as st
from streamlit.components.v2.types import ComponentRenderer

from pages.ui.components import palette

_FOLDER: Final = Path(__file__).parent
_PRELUDE: Final = ("shared/mount", "shared/state/frame_feed", "shared/state/playhead")
_MIRROR: Final = (
    "shared/text",
    "shared/widgets/scale_toggle",
    "shared/widgets/summaries",
    "shared/widgets/mirrored_bars",
)
_BENCH: Final = (
    "shared/state/echo_filter",
    "shared/text",
    "shared/widgets/scale_toggle",
    "shared/widgets/export",
    "temperature/shared/store",
    "temperature/shared/instrument",
    "temperature/shared/figure",
    "temperature/shared/line_plot",
)
# Every component is made of these scripts, in this order, and of the style sheets of the same names.
_PARTS: Final[dict[str, tuple[str, ...]]] = {
    "curves": (
        "run/curves/plotly_loader",
        "run/curves/series",
        "run/curves/curve_overlay",
        "run/curves/curve_panel",
        "run/curves/curves",
    ),
    "bars": (
        "shared/state/echo_filter",
        "shared/widgets/temperature_slider",
        "run/soft_targets/example_picker",
        "shared/widgets/export",
        *_MIRROR,
        "run/soft_targets/soft_targets",
    ),
    "surfaces": (
        "shared/markers",
        "run/surfaces/probability_field",
        "shared/widgets/export",
        "run/surfaces/decision_surfaces",
    ),
    "scrubber": ("run/epoch_slider",),
    "matching": ("shared/text_wrap", "plan/feature_diagram"),
    "arrangement": ("shared/text_wrap", "plan/plan_layout", "plan/plan_diagram"),
    "cards": ("inspect/example_cards",),
    "dock": (
        "shared/state/echo_filter",
        "shared/widgets/temperature_slider",
        "shared/widgets/summaries",
        "temperature/shared/store",
        "temperature/dock",
    ),
    "softened": (*_BENCH, "shared/widgets/summaries", "shared/widgets/mirrored_bars", "temperature/softened"),
    "gallery": (
        *_BENCH,
        "shared/markers",
        "temperature/gallery/gallery_filter",
        "temperature/gallery/gallery_scatter",
        "temperature/gallery/gallery",
    ),
    "pad": (
        *_BENCH,
        "shared/markers",
        "temperature/drawing/strokes",
        "temperature/drawing/throttle",
        "temperature/drawing/point_pad",
        "temperature/drawing/drawing_pad",
    ),
    "gradients": (
        *_BENCH,
        "temperature/shared/end_labels",
        "temperature/gradients/gradient_norms",
        "temperature/gradients/gradients",
    ),
    "knowledge": (
        *_BENCH,
        "temperature/dark_knowledge/class_means",
        "temperature/dark_knowledge/heatmap",
        "temperature/dark_knowledge/confused_examples",
        "temperature/dark_knowledge/dark_knowledge",
    ),
    "calibration": (*_BENCH, "temperature/calibration/calibration"),
    "sources": (
        *_BENCH,
        "temperature/shared/end_labels",
        "temperature/target_sources/option_slider",
        "temperature/target_sources/distribution_lanes",
        "temperature/target_sources/target_sources",
    ),
}
# Plotly writes its styles into the head of the document and reads event targets there: it does not work in a shadow
# root. Every class of ours begins with "dst", so the curves can do without one.
_UNISOLATED: Final = frozenset({"curves"})

_published: dict[str, str] = {}


def publish(folder: Path) -> None:
    """Write Plotly and the components' scripts into Streamlit's static folder; call it before the first mount.

    Needs ``server.enableStaticServing``. Files that are there already and equal are left alone.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "plotly.min.js", (files("plotly") / "package_data" / "plotly.min.js").read_bytes())
    for name in _PARTS:
        script = _script(name).encode()
        _write(folder / f"distillery-{name}.js", script)
        _published[name] = f"app/static/distillery-{name}.js?v={hashlib.sha256(script).hexdigest()[:12]}"


@cache
def component(name: str) -> ComponentRenderer:
    """The mounting command of one component, registered with Streamlit at first use.

    Raises:
        ValueError: if there is no component of that name.
    """
    if name not in _PARTS:
        raise ValueError(f"No browser component {name!r}; there are {', '.join(sorted(_PARTS))}.")
    if name in _published:
        script = f"const ADDRESS = {json.dumps(_published[name])};\n{_compact('shared/loader.js')}"
    else:
        script = _script(name)
    return st.components.v2.component(f"distillery_{name}", js=script, isolate_styles=name not in _UNISOLATED)


def _script(name: str) -> str:
    """One component as a single ES module: palette, styles, prelude and its own parts."""
    names = (*_PRELUDE, *_PARTS[name])
    styles = "\n".join(_compact(f"{part}.css") for part in names if (_FOLDER / f"{part}.css").exists())
    parts = (_compact(f"{part}.js") for part in names)
    return "\n".join((f"const PALETTE = {palette.as_json()};", f"const STYLES = {json.dumps(styles)};", *parts))


def _compact(file: str) -> str:
    """A source file without indentation and whole-line comments, which would travel with every update."""
    lines = (line.strip() for line in (_FOLDER / file).read_text(encoding="utf-8").splitlines())
    return "\n".join(line for line in lines if line and not line.startswith(("//", "/*")))


def _write(path: Path, content: bytes) -> None:
    """Write a file that another process may be serving: whole, or not at all."""
    if path.exists() and path.read_bytes() == content:
        return
    part = path.with_name(f"{path.name}.{os.getpid()}")
    part.write_bytes(content)
    part.replace(path)
