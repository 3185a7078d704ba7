"""User annotations of runs and sweeps (name, tags, note, pin) and their validation."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace

from kd_core.store.database import Database

MOST_NAME, MOST_TAG, MOST_NOTE = 80, 24, 2000  # characters
MOST_TAGS = 8
TABLES = ("runs", "sweeps")
# Marks that change the direction of writing, so that "exe.png" can be made to read as "gnp.exe".
DIRECTION_MARKS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
INVISIBLE_CATEGORIES = ("Cc", "Cs", "Zl", "Zp")  # of Unicode: controls, surrogates, line separators


@dataclass(frozen=True)
class Annotations:
    """Name, tags, note and pin of one run or sweep."""

    name: str = ""  # if empty, a name is made from the settings
    tags: tuple[str, ...] = ()
    note: str = ""
    is_pinned: bool = False


def normalize(name: str = "", tags: Iterable[str] = (), note: str = "", *, is_pinned: bool = False) -> Annotations:
    """Return annotations in their stored form, trimmed, in Unicode form NFC, each tag once and without commas.

    Raises:
        ValueError: Something is too long or has an invisible character.
    """
    return Annotations(_normalize_name(name), _normalize_tags(tags), _normalize_note(note), is_pinned)


def tag_key(tag: str) -> str:
    """Return a key that is equal for tags that differ only in case."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", tag).casefold())


class AnnotationStore(Database):
    """Annotations in the database."""

    def write(self, run: str, annotations: Annotations) -> Annotations:
        """Replace the annotations of a run or sweep and return them as stored.

        A tag is stored with the upper and lower case of its first use.

        Raises:
            ValueError: There is no such run or sweep, or it was deleted.
        """
        with self._transaction() as db:
            spellings = {tag_key(tag): tag for tag in self.tags()}
            tags = tuple(spellings.get(tag_key(tag), tag) for tag in annotations.tags)
            stored = replace(annotations, tags=tags)
            values = (stored.name, json.dumps(tags, ensure_ascii=False), stored.note, stored.is_pinned, run)
            change = "SET name = ?, tags = ?, note = ?, pinned = ? WHERE id = ? AND deleted IS NULL"
            if not sum(db.execute(f"UPDATE {table} {change}", values).rowcount for table in TABLES):
                raise ValueError("This run was deleted. Undo that first, then name it.")
        return stored

    def pin(self, run: str, *, is_pinned: bool) -> None:
        """Pin or unpin a run or sweep; pinned runs come first in every list."""
        with self._transaction() as db:
            for table in TABLES:
                db.execute(f"UPDATE {table} SET pinned = ? WHERE id = ?", (is_pinned, run))

    def tags(self) -> list[str]:
        """Return every tag in use, in alphabetical order."""
        query = " UNION ".join(f"SELECT value FROM {table}, json_each({table}.tags)" for table in TABLES)
        return sorted((tag for (tag,) in self._db().execute(query)), key=tag_key)


def _normalize_name(name: str) -> str:
    name = unicodedata.normalize("NFC", name).strip()
    _refuse_invisible("name", name)
    if len(name) > MOST_NAME:
        raise ValueError(f"The name has {len(name)} characters. Use {MOST_NAME} at most; a note has room for more.")
    return name


def _normalize_tags(tags: Iterable[str]) -> tuple[str, ...]:
    different: dict[str, str] = {}  # by key
    for tag in (unicodedata.normalize("NFC", part).strip() for text in tags for part in text.split(",")):
        _refuse_invisible("tag", tag)
        if len(tag) > MOST_TAG:
            raise ValueError(f"The tag “{tag[:MOST_TAG]}…” has {len(tag)} characters. Use {MOST_TAG} at most.")
        if tag:
            different.setdefault(tag_key(tag), tag)
    if len(different) > MOST_TAGS:
        raise ValueError(f"These are {len(different)} tags. Keep {MOST_TAGS} at most.")
    return tuple(different.values())


def _normalize_note(note: str) -> str:
    note = unicodedata.normalize("NFC", note).replace("\r\n", "\n").replace("\r", "\n").strip()
    _refuse_invisible("note", note.replace("\n", "").replace("\t", ""))
    if len(note) > MOST_NOTE:
        raise ValueError(f"The note has {len(note):,} characters. Use {MOST_NOTE:,} at most.")
    return note


def _refuse_invisible(what: str, text: str) -> None:
    for position, character in enumerate(text, start=1):
        if character in DIRECTION_MARKS or unicodedata.category(character) in INVISIBLE_CATEGORIES:
            raise ValueError(
                f"Character {position} of the {what} cannot be seen (U+{ord(character):04X}). Delete it, or type the "
                f"{what} instead of pasting it."
            )
