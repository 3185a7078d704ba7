"""Constants of the browser code, from those of Python.

``python -m tools.palette`` writes them, after a change of ``kd_core/base/marks.py``.
"""

from __future__ import annotations

import json
from pathlib import Path

from kd_core.base import marks

PALETTE = Path(__file__).parents[1] / "pages" / "ui" / "components" / "shared" / "palette.js"


def module() -> str:
    """Return the marks and colours as an ES module."""
    constants = {
        "roles": marks.ROLES, "moreNetworks": marks.EXTRA_COLOURS, "classes": marks.CLASSES,
        "classMarkers": marks.CLASS_MARKERS, "classGlyphs": marks.CLASS_GLYPHS, "trueLabel": marks.TRUE_LABEL,
        "wrongLabel": marks.WRONG_LABEL, "sequential": marks.SEQUENTIAL, "diverging": marks.DIVERGING,
        "space": marks.SPACE, "minus": marks.MINUS,
    }  # fmt: skip
    body = json.dumps(constants, ensure_ascii=False, indent=2).replace(marks.SPACE, "\\u00a0")
    header = "// Written by python -m tools.palette from kd_core/base/marks.py, which explains them."
    return f"{header}\nexport default {body};\n"


if __name__ == "__main__":
    PALETTE.write_text(module(), encoding="utf-8")
