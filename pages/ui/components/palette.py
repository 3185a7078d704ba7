"""Colours, line styles and markers of charts, read from ``shared/palette.js``, which the browser components import."""

import json
from pathlib import Path
from typing import Any, Final, Literal, TypedDict

Theme = Literal["light", "dark"]


class Role(TypedDict):
    """How one role is drawn; ``dash`` and ``symbol`` are Plotly's names, ``glyph`` is the same marker as text."""

    name: str
    light: str
    dark: str
    dash: str
    width: float
    symbol: str
    glyph: str
    fill: str


def _read() -> Any:
    text = (Path(__file__).parent / "shared" / "palette.js").read_text(encoding="utf-8")
    return json.loads(text.partition("export default")[2].strip().removesuffix(";"))


_PALETTE: Final = _read()
ROLES: Final[dict[str, Role]] = _PALETTE["roles"]
EXTRA_COLOURS: Final[dict[Theme, list[str]]] = _PALETTE["moreNetworks"]
CLASSES: Final[dict[Theme, list[str]]] = _PALETTE["classes"]
CLASS_MARKERS: Final[list[str]] = _PALETTE["classMarkers"]
CLASS_GLYPHS: Final[list[str]] = _PALETTE["classGlyphs"]
