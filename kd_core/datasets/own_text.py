"""Uploaded running text for language models, see :mod:`kd_core.files.uploads`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from kd_core.base.marks import percent
from kd_core.base.options import choice, integer, text
from kd_core.datasets import Data, Dataset, NotAvailableError, ProgressCallback
from kd_core.datasets._text import language_data
from kd_core.datasets.python_docs import PythonDocs
from kd_core.files import uploads
from kd_core.files.limits import MIN_RUNNING
from kd_core.files.text import VISIBLE
from kd_core.tasks import Task
from kd_core.tasks.language import Language

LETTERS, AS_WRITTEN = "letters", "as-written"
PLACEHOLDER = "\N{REPLACEMENT CHARACTER}"  # stands for rare characters, and for those that cannot be seen


@dataclass(frozen=True)
class OwnText(Dataset):
    title: ClassVar[str] = "Your own text"
    summary: ClassVar[str] = "Running text for a language model, stored on this machine alone."
    family: ClassVar[str] = "your own"
    source: ClassVar[str] = "a text that you uploaded or pasted"
    licence: ClassVar[str] = "whatever you may do with it"
    recommended: ClassVar[Mapping[str, str]] = PythonDocs.recommended
    is_uploaded: ClassVar[bool] = True

    id: str = text("", 32, "Id of the upload.", label="Upload")
    alphabet: str = choice(
        LETTERS, (LETTERS, AS_WRITTEN), "Lower-case letters with spaces between words, or the characters as written."
    )
    vocabulary: int = integer(
        64, 2, 256, "Different characters at most; the rarer ones become one placeholder.", label="Characters at most"
    )
    used: int = integer(
        500_000, MIN_RUNNING, 20_000_000, "Characters that are used, from the beginning of the text.",
        label="Length that is used",
    )  # fmt: skip

    @property
    def task(self) -> Task:
        return Language()

    def load(self) -> Data:
        """Return passages (N, 64) of the text.

        Raises ValueError where too few characters are left for a passage in each of the held-out parts.
        """
        if not self.is_available():
            raise NotAvailableError(_MISSING)
        try:
            whole = uploads.read_running(self.id)
        except ValueError as error:  # removed meanwhile
            raise NotAvailableError(_MISSING) from error
        if self.alphabet == LETTERS:
            whole = re.sub(r"[\W\d_]+", " ", whole.lower()).strip()
        else:
            whole = re.sub(f"[{''.join(VISIBLE.values())}]", PLACEHOLDER, whole)  # these name other characters
            whole = "".join(one if one.isprintable() or one in VISIBLE else PLACEHOLDER for one in whole)
        notes = []
        if len(whole) > self.used:
            notes.append(f"The first {self.used:,} of {len(whole):,} characters are used.")
        shortened, note = limited(whole[: self.used], self.vocabulary)
        left = "letters and spaces" if self.alphabet == LETTERS else "characters"
        if len(shortened) < MIN_RUNNING:
            raise ValueError(
                f"the text has {len(shortened):,} {left}, and a language model needs at least {MIN_RUNNING:,}. "
                "Choose a longer text."
            )
        if len(set(shortened)) < 2:
            raise ValueError(f"all {left} of the text are the same. Choose another text.")
        return language_data(shortened, (*notes, *note))

    def is_available(self) -> bool:
        upload = uploads.find(self.id)
        return upload is not None and upload.dataset == self.name

    def download(self, report: ProgressCallback) -> None:  # noqa: ARG002
        if not self.is_available():
            raise NotAvailableError(_MISSING)


_MISSING = "There is no text with that id on this machine: upload or paste a text beside the choice of data."


def limited(whole: str, most: int) -> tuple[str, tuple[str, ...]]:
    """Return a text of at most ``most`` different characters, and a note on what was done for that.

    The most frequent ones stay; all others become :data:`PLACEHOLDER`, so that positions and lengths are as they were.
    """
    counts = Counter(whole)
    if len(counts) <= most:
        return whole, ()
    stay = {one for one, _ in counts.most_common() if one != PLACEHOLDER}
    stay = set(sorted(stay, key=lambda one: (-counts[one], one))[: most - 1])
    rare = sum(count for one, count in counts.items() if one not in stay)
    replaced = whole.translate({ord(one): PLACEHOLDER for one in counts if one not in stay})
    return replaced, (
        f"Of {len(counts):,} different characters the {most - 1:,} most frequent stay; the others, "
        f"{percent(rare / len(whole))} of the text, become {PLACEHOLDER}.",
    )
