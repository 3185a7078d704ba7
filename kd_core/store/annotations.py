"""What people say of a run: its name, tags and a note. What may be said is decided here, for every screen alike."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from kd_core.store.database import Database

MOST_NAME, MOST_TAG, MOST_TAGS, MOST_NOTE = 80, 24, 8, 2000  # characters; MOST_TAGS are tags
TABLES = ("runs", "sweeps")  # of what can be labelled
# Marks that turn the direction of writing: "gnp.exe" would be read as something else.
TURNS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
UNSEEN = ("Cc", "Cs", "Zl", "Zp")  # Unicode categories: controls, halves of characters, separators of lines


@dataclass(frozen=True)
class Annotations:
    """What is said of one run or sweep. An empty ``name`` stands for the one made from its settings."""

    name: str = ""
    tags: tuple[str, ...] = ()
    note: str = ""
    is_pinned: bool = False


def normalize(name: str = "", tags: Iterable[str] = (), note: str = "", *, is_pinned: bool = False) -> Annotations:
    """Labels as they are kept: trimmed, one way of writing accents, every tag once and without commas.

    Raises ValueError for what is too long or cannot be seen.
    """
    return Annotations(_name(name), _tags(tags), _note(note), is_pinned)


def tag_key(tag: str) -> str:
    """Equal for tags that differ in upper and lower case alone."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", tag).casefold())


class AnnotationStore(Database):
    """Writes labels."""

    def write(self, run: str, labels: Annotations) -> Annotations:
        """Replaces what is said of a run or a sweep; returns it as kept: a tag is written as it was the first time.

        Raises ValueError where there is no such run, or no longer.
        """
        with self._transaction() as db:
            known = {tag_key(tag): tag for tag in self.tags()}
            kept = replace(labels, tags=tuple(known.get(tag_key(tag), tag) for tag in labels.tags))
            tags = json.dumps(kept.tags, ensure_ascii=False)
            values = (kept.name, tags, kept.note, kept.is_pinned, run)
            change = "SET name = ?, tags = ?, note = ?, pinned = ? WHERE id = ? AND deleted IS NULL"
            if not sum(db.execute(f"UPDATE {table} {change}", values).rowcount for table in TABLES):
                raise ValueError("This run was deleted. Undo that first, then name it.")
        return kept

    def pin(self, run: str, *, is_pinned: bool) -> None:
        """Pinned runs come first in every list."""
        with self._transaction() as db:
            for table in TABLES:
                db.execute(f"UPDATE {table} SET pinned = ? WHERE id = ?", (is_pinned, run))

    def tags(self) -> list[str]:
        """Every tag that is in use, in alphabetical order."""
        both = " UNION ".join(f"SELECT value FROM {table}, json_each({table}.tags)" for table in TABLES)
        return sorted((tag for (tag,) in self._db().execute(both)), key=tag_key)


def _name(name: str) -> str:
    name = unicodedata.normalize("NFC", name).strip()
    _refuse_unseen("name", name)
    if len(name) > MOST_NAME:
        raise ValueError(f"The name has {len(name)} characters. Use {MOST_NAME} at most; a note has room for more.")
    return name


def _tags(tags: Iterable[str]) -> tuple[str, ...]:
    found: dict[str, str] = {}
    for tag in (unicodedata.normalize("NFC", part).strip() for some in tags for part in some.split(",")):
        _refuse_unseen("tag", tag)
        if len(tag) > MOST_TAG:
            raise ValueError(f"The tag “{tag[:MOST_TAG]}…” has {len(tag)} characters. Use {MOST_TAG} at most.")
        if tag:
            found.setdefault(tag_key(tag), tag)
    if len(found) > MOST_TAGS:
        raise ValueError(f"These are {len(found)} tags. Keep {MOST_TAGS} at most.")
    return tuple(found.values())


def _note(note: str) -> str:
    note = unicodedata.normalize("NFC", note).replace("\r\n", "\n").replace("\r", "\n").strip()
    _refuse_unseen("note", note.replace("\n", "").replace("\t", ""))
    if len(note) > MOST_NOTE:
        raise ValueError(f"The note has {len(note):,} characters. Use {MOST_NOTE:,} at most.")
    return note


def _refuse_unseen(what: str, text: Sequence[str]) -> None:
    for at, character in enumerate(text, start=1):
        if character in TURNS or unicodedata.category(character) in UNSEEN:
            raise ValueError(
                f"Character {at} of the {what} cannot be seen (U+{ord(character):04X}). Delete it, or type the {what} "
                "instead of pasting it."
            )
