"""How much is taken of a file that somebody gives, and the refusal of everything beyond.

What a file says of its own size is never believed: everything is counted while it is read.
"""

from __future__ import annotations

import unicodedata

from kd_core.base.options import shorten

UPLOAD = 2_000_000_000  # bytes of the file itself
FILES = 200_000  # entries of an archive
UNPACKED = 2_000_000_000  # bytes of all its entries together
ENTRY = 100_000_000  # bytes of one entry
RATIO = 200  # bytes unpacked per byte packed, of one entry
FLOOR = 1_000_000  # bytes of an entry below which its ratio is not judged: blank pictures pack well
IMAGE = 50_000_000  # pixels of one image
DECODED = 50_000_000_000  # pixels of all images together, as they come: some twenty minutes of one core
KEPT = 1_000_000_000  # bytes of all images together, as they are kept
LINE = 2_000_000  # bytes of one line of a table
ROWS = 500_000  # lines of a table
CLASSES = 1_000
FEWEST = 5  # different examples of each class: three to learn from, one to choose by, one to judge by
NAME = 80  # characters of the name of a class
SMALLEST, LARGEST = 8, 224  # pixels per side of the images that are kept


class RefusedError(ValueError):
    """A file that is not taken: one sentence that says where the trouble is and what to change."""


def quoted(text: str) -> str:
    """A name from inside a file, fit for a sentence: short, in quotation marks, nothing in it that does not print."""
    return f'"{shorten(printable(text))}"'


def printable(text: str) -> str:
    """``text`` with a mark in the place of everything that does not print; joiners, which some scripts need, stay."""
    return "".join(letter if is_printable(letter) else "\N{REPLACEMENT CHARACTER}" for letter in text)


def is_printable(text: str) -> bool:
    """Whether every character of ``text`` can be shown on one line, in the order in which it stands there."""
    return all(letter.isprintable() or unicodedata.name(letter, "").endswith("JOINER") for letter in text)
