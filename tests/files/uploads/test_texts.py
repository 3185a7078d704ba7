"""Tests of texts with one class each, and of running text for language models."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from pydoc_data.topics import topics

import pytest

from kd_core.base.registry import make
from kd_core.datasets import Data, Dataset, load
from kd_core.datasets._text import HELD_OUT, PASSAGE
from kd_core.files import uploads
from kd_core.files.limits import MAX_RUNNING_BYTES, MAX_TEXT, MIN_RUNNING
from kd_core.files.uploads import Choices
from tests.files.uploads.conftest import packed

Refuse = Callable[..., str]
ENGLISH = "The quick brown fox, it is said, jumps over the lazy dog.\n"
TEXT = ENGLISH * 40
REMARKS = [(f"a sentence, with number {number}", "ab"[number % 2]) for number in range(40)]


def table(rows: list[tuple[str, ...]], *names: str) -> bytes:
    lines = [names, *rows]
    return "\n".join(",".join(f'"{cell}"' for cell in line) for line in lines).encode()


def data_of(upload: uploads.Upload, **options: str | int) -> Data:
    dataset = make("datasets", {"name": upload.dataset, "id": upload.id, **options})
    assert isinstance(dataset, Dataset)
    return load(dataset)


# -- texts with one class each -------------------------------------------------------------------------------------


@pytest.mark.usefixtures("home")
def test_a_table_of_texts_and_labels_is_kept_character_by_character() -> None:
    understood = uploads.inspect("mine.csv", table(REMARKS, "remark", "mood"))
    assert understood.headline == "CSV file: 40 texts with one class each, 2 classes."
    assert [(column.name, column.role) for column in understood.columns] == [("remark", "text"), ("mood", "label")]
    data = data_of(uploads.keep(understood))
    read = {
        (text, data.classes[label])
        for split in data.splits.values()
        for text, label in zip(data.task.text_of(split.inputs, data), split.labels.tolist(), strict=True)
    }
    assert read == set(REMARKS)
    assert data.noun == "texts"


@pytest.mark.usefixtures("home")
def test_the_longest_column_is_the_text_where_the_user_says_that_rows_are_texts() -> None:
    rows = [(number, text, "uv"[index % 3 > 1], mood) for index, (text, mood) in enumerate(REMARKS) for number in "1"]
    blob = table([(f"{index}.5", *row[1:]) for index, row in enumerate(rows)], "length", "remark", "place", "mood")
    assert uploads.inspect("mine.csv", blob, Choices(label=("mood",))).kind == "table"
    understood = uploads.inspect("mine.csv", blob, Choices(label=("mood",), kind="text"))
    assert {column.name: column.role for column in understood.columns} == {
        "length": "ignored", "remark": "text", "place": "ignored", "mood": "label"
    }  # fmt: skip


def test_a_table_without_words_holds_no_texts(refusal: Refuse) -> None:
    blob = table([(f"{n / 7}", f"{n * 3}", "ab"[n % 2]) for n in range(40)], "x", "y", "label")
    assert "none of its columns but the label holds text" in refusal(blob, "mine.csv", kind="text")


@pytest.mark.usefixtures("home")
def test_an_empty_text_is_named_and_can_be_left_out() -> None:
    blob = table([*REMARKS, (" ", "a")], "remark", "mood")
    understood = uploads.inspect("mine.csv", blob)
    assert [one.reason for one in understood.left_out] == [
        "line 42, column 1 is empty: fill it in, or take the line out."
    ]
    assert len(uploads.add("mine.csv", blob, leave_out=True)) == 40


@pytest.mark.usefixtures("home")
def test_a_long_text_is_cut_off_and_that_is_told() -> None:
    rows = [(f"{number:04} " + "very " * 500, "ab"[number % 2]) for number in range(20)]
    understood = uploads.inspect("mine.csv", table(rows, "remark", "mood"))
    assert f"20 texts have more than {MAX_TEXT:,} characters" in " ".join(understood.findings)
    assert uploads.keep(understood).shape == (MAX_TEXT,)


@pytest.mark.usefixtures("home")
def test_text_files_in_class_folders_are_texts_of_these_classes(tmp_path: Path) -> None:
    files = {
        f"mine/{label}/{number}.txt": f"{label} letter, {number}\n" for label in ("ham", "spam") for number in range(6)
    }
    archive = packed({path: text.encode() for path, text in files.items()} | {"mine/spam/7.txt": b" "})
    understood = uploads.inspect("mine.zip", archive, Choices(leave_out=True))
    assert understood.headline == "ZIP archive of class folders: 12 texts with one class each, 2 classes."
    assert [one.reason for one in understood.left_out] == [
        '"mine/spam/7.txt" is empty: write a text into it, or take it out.'
    ]
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    upload = uploads.add("mine", tmp_path / "mine")
    assert upload.id == uploads.keep(understood).id
    data = data_of(upload)
    assert data.classes == ("ham", "spam")
    assert sorted(text for split in data.splits.values() for text in data.task.text_of(split.inputs, data)) == sorted(
        text.strip() for text in files.values()
    )


# -- running text --------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("name", ["mine.txt", "mine.md"])
def test_a_running_text_says_its_encoding_size_and_characters(name: str) -> None:
    understood = uploads.inspect(name, TEXT.encode())
    assert understood.headline == (
        f"Text file in UTF-8: {len(TEXT):,} characters on 40 lines, {len(set(TEXT))} different ones."
    )
    assert "The most frequent characters are ␣" in understood.findings[0]
    assert (understood.task, understood.as_dict()["characters"]) == ("language", len(TEXT))


@pytest.mark.usefixtures("home")
def test_a_table_that_ends_with_txt_stays_a_table_unless_the_user_wants_its_text() -> None:
    blob = table(REMARKS, "remark", "mood")
    assert uploads.inspect("mine.txt", blob).kind == "text"
    assert uploads.inspect("mine.txt", blob, Choices(task="language")).kind == "passages"
    assert uploads.inspect("mine.csv", TEXT.encode(), Choices(task="language")).kind == "passages"


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("encoding", "name"),
    [("utf-8", "UTF-8"), ("utf-8-sig", "UTF-8"), ("utf-16", "UTF-16"), ("utf-16-le", "UTF-16"), ("utf-16-be", "UTF-16"),
     ("latin-1", "Latin-1")],
)  # fmt: skip
def test_an_unknown_encoding_is_recognised_or_read_as_latin_1_with_a_note(encoding: str, name: str) -> None:
    written = "Zwölf Boxkämpfer jagen Viktor quer über den Sylter Deich.\r\n" * 30
    understood = uploads.inspect("mine.txt", written.encode(encoding))
    assert understood.format == f"Text file in {name}"
    assert uploads.read_running(uploads.keep(understood).id) == written.replace("\r\n", "\n")
    assert ("It is not valid UTF-8" in " ".join(understood.findings)) == (name == "Latin-1")


@pytest.mark.slow
@pytest.mark.usefixtures("home")
def test_a_text_of_200_mb_is_used_from_its_beginning(tmp_path: Path) -> None:
    with (tmp_path / "long.txt").open("w+b") as file:
        file.write(ENGLISH.encode() * (MAX_RUNNING_BYTES // len(ENGLISH) + 1))
        file.truncate(200_000_000)  # the rest is a hole, which takes no room
        understood = uploads.inspect("long.txt", file)
    assert understood.format == "Text file in UTF-8"
    assert "Of its 200 MB the first 20 MB are used" in " ".join(understood.findings)


@pytest.mark.parametrize(
    ("blob", "sentence"),
    [
        (b"", "it is empty"),
        (b"a", "it has 1 character, and a language model needs at least 1,300"),
        (TEXT.encode()[:1299], "it has 1,299 characters"),
        (b"a" * 5000, "one character again and again"),
        (bytes(range(256)) * 20, "it holds no text"),
    ],
    ids=["empty", "one character", "too short", "one character repeated", "binary"],
)
def test_what_is_no_running_text_is_refused_in_a_sentence(blob: bytes, sentence: str, refusal: Refuse) -> None:
    assert sentence in refusal(blob, "mine.txt", task="language")


def test_an_archive_is_no_running_text(refusal: Refuse) -> None:
    assert "it holds no running text" in refusal(b"PK\x03\x04" + bytes(100), "mine.zip", task="language")


def test_the_shortest_text_has_a_passage_for_validation_and_for_the_test() -> None:
    assert round(HELD_OUT * MIN_RUNNING) >= PASSAGE + 1


@pytest.fixture(scope="module")
def documentation(tmp_path_factory: pytest.TempPathFactory) -> uploads.Upload:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DISTILLERY_DATA", str(tmp_path_factory.mktemp("texts")))
        yield uploads.add("mine.txt", io.BytesIO("\n".join(topics.values()).encode()))


def test_a_text_as_letters_has_nothing_but_these_and_single_spaces(documentation: uploads.Upload) -> None:
    data = data_of(documentation, used=20_000)
    (first,) = data.task.text_of(data.train.inputs[:1], data)
    whole = "".join(data.task.text_of(data.train.inputs, data))
    assert data.notes == (f"The first 20,000 of {len(uploads_letters(documentation)):,} characters are used.",)
    assert uploads_letters(documentation).startswith(first)
    assert "  " not in whole
    assert set(whole) <= set("abcdefghijklmnopqrstuvwxyz ")


def uploads_letters(upload: uploads.Upload) -> str:
    """Return a stored text in lower-case letters and single spaces, word by word."""
    letters = "".join(one if one.isalpha() else " " for one in uploads.read_running(upload.id).lower())
    return " ".join(letters.split())


def test_rare_characters_of_a_text_as_written_become_one_placeholder(documentation: uploads.Upload) -> None:
    data = data_of(documentation, alphabet="as-written", vocabulary=30, used=50_000)
    assert len(data.classes) == 30
    assert "�" in data.classes
    assert "⏎" in data.classes
    (note,) = [note for note in data.notes if "different characters" in note]
    written = uploads.read_running(documentation.id)[:PASSAGE]
    (text,) = data.task.text_of(data.train.inputs[:1], data)
    assert all(one in (other, "�") for one, other in zip(text, written, strict=True))
    assert "the 29 most frequent stay" in note


def test_a_text_of_which_no_letters_are_left_is_refused_with_what_to_choose(home: Path) -> None:
    upload = uploads.add("mine.txt", b"12 + 30 = 42; 7 * 6 = 42\n" * 100)
    with pytest.raises(ValueError, match=r"the text has 0 letters and spaces, .* at least 1,300"):
        data_of(upload)
    assert data_of(upload, alphabet="as-written").classes[:2] == ("⏎", "␣")


def test_a_text_is_no_data_set_of_examples_and_examples_are_no_text(home: Path) -> None:
    text = uploads.add("mine.txt", TEXT.encode())
    examples = uploads.add("mine.csv", table(REMARKS, "remark", "mood"))
    assert (text.dataset, examples.dataset) == ("own_text", "upload")
    for name, upload in (("upload", text), ("own_text", examples)):
        dataset = make("datasets", {"name": name, "id": upload.id})
        assert isinstance(dataset, Dataset)
        assert not dataset.is_available()
        with pytest.raises(ValueError, match="with that id"):
            load(dataset)
