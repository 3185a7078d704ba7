"""Escaping of users' text for Markdown."""

from __future__ import annotations

import re


def escape_markdown(text: str) -> str:
    """Return ``text`` so that Markdown shows it literally and does not turn addresses into links."""
    # A backslash does not keep Markdown from linking an address, but an invisible zero-width space does.
    text = re.sub(r"(://|www\.|@)", lambda match: match[0][0] + "\u200b" + match[0][1:], text)
    return re.sub(r"([\\`*_{}\[\]()<>#+\-.!|~$:&])", r"\\\1", text)
