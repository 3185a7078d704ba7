"""Text of users as text: what comes from an address or a form is shown letter by letter, never as markup."""

from __future__ import annotations

import re


def plain(text: str) -> str:
    """``text`` so that Markdown shows it as it is."""
    return re.sub(r"([\\`*_{}\[\]()<>#+\-.!|~$:&])", r"\\\1", text)
