"""Texts of files, and texts as code points of Unicode."""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence

import torch
from torch import Tensor

from kd_core.files.limits import MAX_TEXT, RefusedError

ENDINGS = (".txt", ".text", ".md", ".markdown", ".rst", ".tex", ".log")  # of names of running texts
END = 0  # stands after the last character of a text
MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
NAMES = {"utf-8": "UTF-8", "utf-16-le": "UTF-16", "utf-16-be": "UTF-16", "latin-1": "Latin-1"}
VISIBLE = {" ": "␣", "\n": "⏎", "\t": "⇥"}  # of characters without a glyph
MOST_CONTROLS = 0.01  # fraction of the characters of a text that may be control characters
CONTROL = re.compile(r"[\0-\x08\x0e-\x1a\x1c-\x1f]")  # that no text has; blanks and escape sequences may be in one
NO_TEXT = "it holds no text: give a text file, a ZIP of class folders, or a table such as a CSV file."


def decode(content: bytes) -> tuple[str, str]:
    """Return the text of a file and the name of its encoding; line ends become line feeds.

    UTF-8 and UTF-16 are recognised by their byte order mark or by being valid; anything else is read as Latin-1, of
    which every byte is a character. A character that is cut off at the end is left out.

    Raises:
        RefusedError: It holds no text in any of these.
    """
    mark = next((mark for mark in MARKS if content.startswith(mark)), b"")
    encoding = MARKS.get(mark) or _guess(content)
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(content[len(mark) :])
    except UnicodeDecodeError:
        encoding = "latin-1"
        text = content.decode(encoding)
    if len(CONTROL.findall(text)) > MOST_CONTROLS * len(text):
        raise RefusedError(NO_TEXT)
    return text.replace("\r\n", "\n").replace("\r", "\n"), NAMES[encoding]


def _guess(content: bytes) -> str:
    """Return UTF-16 for a text without byte order mark of which every other byte is mostly 0, else UTF-8."""
    for first, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        bytes_ = content[first:4096:2]
        if len(content) % 2 == 0 and bytes_.count(0) > len(bytes_) / 2 > content[1 - first : 4096 : 2].count(0):
            return encoding
    return "utf-8"


def visible(character: str) -> str:
    """Return a character as it can be shown on one line."""
    return VISIBLE.get(character, character if character.isprintable() else "\N{REPLACEMENT CHARACTER}")


def to_code_points(texts: Sequence[str], length: int | None = None) -> Tensor:
    """Return one or more texts as code points (N, L) int32, each followed by :data:`END`.

    Texts are cut off at ``length`` characters, by default the length of the longest one.
    """
    if length is None:
        length = max(map(len, texts)) or 1
    encoded = b"".join(text[:length].ljust(length, chr(END)).encode("utf-32-le", "replace") for text in texts)
    return torch.frombuffer(bytearray(encoded), dtype=torch.int32).reshape(len(texts), length)


def to_inputs(texts: Sequence[str]) -> tuple[Tensor, list[str]]:
    """Return one or more texts as code points (N, L) int32, at most :data:`MAX_TEXT` of each, and notes on that."""
    cut_off, notes = sum(len(text) > MAX_TEXT for text in texts), []
    if cut_off:
        count = "1 text has" if cut_off == 1 else f"{cut_off:,} texts have"
        notes = [f"{count} more than {MAX_TEXT:,} characters; the characters after are not used."]
    return to_code_points(texts, min(max(map(len, texts)), MAX_TEXT)), notes


def from_code_points(inputs: Tensor) -> list[str]:
    """Return code points (N, L) as texts."""
    return ["".join(map(chr, row)).partition(chr(END))[0] for row in inputs.long().tolist()]
