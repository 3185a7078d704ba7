"""Size limits of uploaded files, and RefusedError for what exceeds them.

The sizes that a file states in its headers are not trusted: everything is counted while it is read.
"""

from __future__ import annotations

import unicodedata

from kd_core.base.options import shorten

MAX_UPLOAD_BYTES = 2_000_000_000  # of the file itself
MAX_ENTRIES = 200_000  # of an archive
MAX_UNPACKED_BYTES = 2_000_000_000  # of all entries of an archive together
MAX_ENTRY_BYTES = 100_000_000
MAX_RATIO = 200  # bytes unpacked per byte packed, of one entry
RATIO_FREE_BYTES = 1_000_000  # the ratio of smaller entries is not limited, since blank images pack well
MAX_IMAGE_PIXELS = 50_000_000
MAX_DECODED_PIXELS = 50_000_000_000  # of all images together, at their original size: about twenty minutes of one core
MAX_STORED_BYTES = 1_000_000_000  # of all images together, at their final size
MAX_LINE_BYTES = 2_000_000  # of a table
MAX_ROWS = 500_000  # of a table
MAX_CLASSES = 1_000
MIN_CLASS_EXAMPLES = 5  # different ones of each class: three for training, one for validation, one for the test
MAX_TEXT = 1_000  # characters of a text with one class
MAX_RUNNING_BYTES = 20_000_000  # of a running text, from its beginning
MIN_RUNNING = 1_300  # characters of a running text, of which a twentieth must hold one passage for the test
MAX_NAME_LENGTH = 80  # characters of the name of a class
SMALLEST, LARGEST = 8, 224  # pixels per side of the stored images


class RefusedError(ValueError):
    """Refusal of a file, in one sentence that says where the problem is and what to change."""


def quoted(text: str) -> str:
    """Return a name from inside a file in quotation marks, shortened and printable."""
    return f'"{shorten(printable(text))}"'


def printable(text: str) -> str:
    """Return ``text`` with U+FFFD for everything unprintable but joiners, which some scripts need."""
    return "".join(letter if is_printable(letter) else "\N{REPLACEMENT CHARACTER}" for letter in text)


def is_printable(text: str) -> bool:
    """Return whether every character of ``text`` can be shown on one line, in the order of the text."""
    return all(letter.isprintable() or unicodedata.name(letter, "").endswith("JOINER") for letter in text)
