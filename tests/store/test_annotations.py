"""Tests of annotations of runs."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, strategies

from kd_core.config.run import RunConfig
from kd_core.store.annotations import MOST_NAME, MOST_NOTE, MOST_TAG, MOST_TAGS, Annotations, AnnotationStore, normalize
from kd_core.store.store import Store


@pytest.fixture
def store(tmp_path: Path, small: RunConfig) -> Store:
    store = Store(tmp_path / "d.sqlite")
    for run in ("a", "b"):
        store.add(run, small, "completed")
    return store


def test_annotations_are_read_with_their_run(store: Store) -> None:
    annotations = normalize("T = 4, <b>bold</b>", ["paper", "best so far"], "First line.\nSecond line.", is_pinned=True)
    assert AnnotationStore(store.path).write("a", annotations) == annotations
    assert store.run("a").annotations == annotations == Store(store.path).run("a").annotations
    assert store.run("b").annotations == Annotations()


@pytest.mark.parametrize(
    ("fields", "sentence"),
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
def test_too_long_or_invisible_text_is_refused(fields: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        normalize(**fields)


def test_tags_are_trimmed_split_at_commas_and_stored_once_whatever_their_case() -> None:
    assert normalize(tags=["  Paper ", "paper", "GRÖSSE", "größe", "a, b,", ""]).tags == ("Paper", "GRÖSSE", "a", "b")
    assert normalize(tags=["cafe\u0301", "caf\u00e9"]).tags == ("caf\u00e9",)


def test_a_tag_keeps_the_case_of_its_first_use(store: Store) -> None:
    annotation_store = AnnotationStore(store.path)
    annotation_store.write("a", normalize(tags=["Paper", "über"]))
    assert annotation_store.write("b", normalize(tags=["PAPER", "alone"])).tags == ("Paper", "alone")
    assert annotation_store.tags() == ["alone", "Paper", "über"]


def test_pinning_changes_no_other_annotation(store: Store) -> None:
    annotation_store = AnnotationStore(store.path)
    annotation_store.write("a", normalize("mine"))
    annotation_store.pin("a", is_pinned=True)
    assert store.run("a").annotations == Annotations("mine", is_pinned=True)
    annotation_store.pin("a", is_pinned=False)
    assert store.run("a").annotations == Annotations("mine")


def test_an_unknown_run_cannot_be_annotated(store: Store) -> None:
    with pytest.raises(ValueError, match="was deleted"):
        AnnotationStore(store.path).write("gone", normalize("mine"))


@given(
    name=strategies.text(max_size=90),
    tags=strategies.lists(strategies.text(max_size=30), max_size=10),
    note=strategies.text(max_size=200),
)
def test_normalized_annotations_are_printable_and_stay_the_same(name: str, tags: list[str], note: str) -> None:
    try:
        annotations = normalize(name, tags, note)
    except ValueError:
        return
    assert normalize(annotations.name, annotations.tags, annotations.note) == annotations
    text = annotations.name + "".join(annotations.tags) + annotations.note
    text.encode("utf-8")
    categories = {unicodedata.category(character) for character in text.replace("\n", "").replace("\t", "")}
    assert not categories & {"Cc", "Cs"}
    assert len({tag.casefold() for tag in annotations.tags}) == len(annotations.tags) <= MOST_TAGS
    assert not any("," in tag or tag != tag.strip() for tag in annotations.tags)
