from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from kd_core.config.run import RunConfig
from kd_core.store.annotations import MOST_NAME, MOST_NOTE, MOST_TAG, MOST_TAGS, Annotations, AnnotationStore, normalize
from kd_core.store.store import Store


@pytest.fixture
def store(tmp_path: Path, small: RunConfig) -> Store:
    store = Store(tmp_path / "d.sqlite")
    for run in ("a", "b"):
        store.add(run, small, "completed")
    return store


def test_what_is_said_of_a_run_comes_back_with_it(store: Store) -> None:
    said = normalize("T = 4, <b>bold</b>", ["paper", "best so far"], "First line.\nSecond line.", is_pinned=True)
    assert AnnotationStore(store.path).write("a", said) == said
    assert store.run("a").annotations == said == Store(store.path).run("a").annotations
    assert store.run("b").annotations == Annotations()


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"name": "x" * (MOST_NAME + 1)}, "The name has 81 characters. Use 80 at most"),
        ({"name": "two\nlines"}, r"Character 4 of the name cannot be seen \(U\+000A\)"),
        ({"name": "a\u202egnp.exe"}, r"U\+202E"),
        ({"name": "half a \ud83d"}, r"U\+D83D"),
        ({"tags": ["x" * (MOST_TAG + 1)]}, "has 25 characters. Use 24 at most"),
        ({"tags": ["a\x00b"]}, "Character 2 of the tag cannot be seen"),
        ({"tags": [f"tag {n}" for n in range(MOST_TAGS + 1)]}, "These are 9 tags. Keep 8 at most."),
        ({"note": "x" * (MOST_NOTE + 1)}, "The note has 2,001 characters"),
        ({"note": "a\x1bb"}, "of the note cannot be seen"),
    ],
)
def test_what_is_too_long_or_cannot_be_seen_is_refused(given: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        normalize(**given)


def test_tags_are_trimmed_split_at_commas_and_kept_once_whatever_their_case() -> None:
    assert normalize(tags=["  Paper ", "paper", "GRÖSSE", "größe", "a, b,", ""]).tags == ("Paper", "GRÖSSE", "a", "b")
    assert normalize(tags=["cafe\u0301", "caf\u00e9"]).tags == ("caf\u00e9",)


def test_a_tag_is_written_as_it_was_the_first_time(store: Store) -> None:
    labelling = AnnotationStore(store.path)
    labelling.write("a", normalize(tags=["Paper", "über"]))
    assert labelling.write("b", normalize(tags=["PAPER", "alone"])).tags == ("Paper", "alone")
    assert labelling.tags() == ["alone", "Paper", "über"]


def test_pinning_changes_nothing_else(store: Store) -> None:
    labelling = AnnotationStore(store.path)
    labelling.write("a", normalize("mine"))
    labelling.pin("a", is_pinned=True)
    assert store.run("a").annotations == Annotations("mine", is_pinned=True)
    labelling.pin("a", is_pinned=False)
    assert store.run("a").annotations == Annotations("mine")


def test_a_run_that_is_not_there_cannot_be_named(store: Store) -> None:
    with pytest.raises(ValueError, match="was deleted"):
        AnnotationStore(store.path).write("gone", normalize("mine"))


@given(name=some.text(max_size=90), tags=some.lists(some.text(max_size=30), max_size=10), note=some.text(max_size=200))
def test_what_is_accepted_can_be_stored_and_accepted_again(name: str, tags: list[str], note: str) -> None:
    try:
        said = normalize(name, tags, note)
    except ValueError:
        return
    assert normalize(said.name, said.tags, said.note) == said
    whole = said.name + "".join(said.tags) + said.note
    whole.encode("utf-8")
    assert not {unicodedata.category(one) for one in whole.replace("\n", "").replace("\t", "")} & {"Cc", "Cs"}
    assert len({tag.casefold() for tag in said.tags}) == len(said.tags) <= MOST_TAGS
    assert not any("," in tag or tag != tag.strip() for tag in said.tags)
