"""Text of users as text: what comes from an address or a form is shown letter by letter, never as markup."""

from __future__ import annotations

import re


def escape_markdown(text: str) -> str:
    """``text`` so that Markdown shows it as it is, and makes no link of an address."""
    # Backslashes do not keep Markdown from linking an address. A space without width does, and nobody sees it.
    text = re.sub(r"(://|www\.|@)", lambda found: found[0][0] + "\u200b" + found[0][1:], text)
    return re.sub(r"([\\`*_{}\[\]()<>#+\-.!|~$:&])", r"\\\1", text)
