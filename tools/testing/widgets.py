"""Widgets by the name that the page gave them, whatever their number (see pages/ui/widgets/keys.py)."""

from typing import Any

from streamlit.testing.v1 import AppTest


def named(app: AppTest, kind: str, name: str) -> Any:
    """The widget of that ``kind``, as Streamlit's AppTest calls it."""
    return next(one for one in app.get(kind) if one.key and one.key.split(" ·")[0] == name)
