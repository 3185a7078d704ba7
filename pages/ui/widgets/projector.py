"""Projector mode, in which all texts have at least 20 pixels, and strokes and markers match.

It is kept in the session and, so that a link opens the same view, in the URL of every page. The stylesheet enlarges
what Streamlit draws, whose sizes are relative to the font of the document, and browser components by
``--dst-scale``; :func:`enlarge` enlarges Plotly charts, which have sizes in pixels.
"""

from __future__ import annotations

from typing import Any, Final

import plotly.graph_objects as go
import streamlit as st

from pages.ui.widgets import keys

PARAMETER: Final = "projector"
SCALE: Final = 5 / 3  # the smallest text of charts and components has 12 pixels
FONT: Final = 12  # pixels of the texts of a chart
# The smallest text of Streamlit has three quarters of the document's font size.
STYLE: Final = f"""<style>
  html {{ font-size: 26.7px !important }}
  :root {{ --dst-scale: {SCALE:.4f} }}
  /* Plotly takes the pointer of an enlarged element to be elsewhere. The values under the pointer are still shown. */
  .dst .js-plotly-plot .drag {{ pointer-events: none !important }}
  .stApp .stMainBlockContainer {{ padding-left: 2rem; padding-right: 2rem; padding-top: 4rem }}
</style>"""
# What of a figure is measured in pixels, by the names of the property and of the one that holds it ("" for any).
LENGTHS: Final = {
    ("size", ""), ("height", "layout"), ("xshift", ""), ("yshift", ""), ("borderpad", ""), ("thickness", ""),
    ("width", "line"), ("width", "error_x"), ("width", "error_y"), ("xgap", ""), ("ygap", ""),
    *((side, "margin") for side in "tblr"),
}  # fmt: skip


def is_on() -> bool:
    """Return whether this session is in projector mode."""
    return bool(st.session_state.get(PARAMETER))


def restore() -> None:
    """Read the mode from the URL with which the session was opened, and write it into the URL of this page.

    Later URLs are not read: a browser may send an outdated one, and a link of the menu has no parameters.
    """
    if PARAMETER not in st.session_state:
        st.session_state[PARAMETER] = st.query_params.get(PARAMETER) == "1"
    if is_on() and st.query_params.get(PARAMETER) != "1":
        st.query_params[PARAMETER] = "1"
    elif not is_on():
        st.query_params.pop(PARAMETER, None)


def switch() -> None:
    """Draw the switch of the mode."""
    st.toggle("Projector", is_on(), key=keys.key("projector switch", is_on()), on_change=_toggle, width="content")


def enlarge(figure: go.Figure) -> go.Figure:
    """Return a figure with every length multiplied by :data:`SCALE` in projector mode, or else unchanged."""
    if not is_on():
        return figure
    # Streamlit's theme and Plotly have sizes for these, which would stay as they are.
    figure.update_layout(font={"size": FONT}, legend={"font": {"size": FONT}}, hoverlabel={"font": {"size": FONT}})
    texts = [
        *figure.select_xaxes(),
        *figure.select_yaxes(),
        *(trace.colorbar for trace in figure.select_traces("heatmap")),
    ]
    for text in texts:
        text.update(tickfont={"size": text.tickfont.size or FONT}, title={"font": {"size": FONT}})
    return go.Figure(_enlarged(figure.to_dict(), "", ""))


def _toggle() -> None:
    st.session_state[PARAMETER] = not is_on()


def _enlarged(value: Any, name: str, owner: str) -> Any:
    if isinstance(value, dict):
        return {key: _enlarged(member, key, name) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_enlarged(member, name, owner) for member in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        length = SCALE * value if LENGTHS & {(name, ""), (name, owner)} else value
        return max(length, SCALE * FONT) if name == "size" and owner.endswith("font") else length
    if name == "dash" and isinstance(value, str) and value[:1].isdigit():
        return ",".join(f"{SCALE * float(part.removesuffix('px')):.0f}px" for part in value.split(","))
    return value
