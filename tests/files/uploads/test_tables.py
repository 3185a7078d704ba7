"""Tests of what is understood of tables, from the label and the ignored columns to missing values and kinds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.preprocessing import StandardScaler

from kd_core.base.registry import find_plugin, plugins
from kd_core.config.run import from_flat
from kd_core.datasets import Data, load
from kd_core.datasets.upload import Uploaded
from kd_core.files import uploads
from kd_core.files.uploads import Choices, Understanding
from kd_core.files.uploads.understanding import CONTENT, TASK_OF
from kd_core.training.loop import Trainer

Refuse = Callable[..., str]
RANDOM = np.random.default_rng(0)
DIGITS = load_digits()


def csv(frame: pd.DataFrame, **more: Any) -> bytes:
    return frame.to_csv(index=False, **more).encode()


def inspect(frame: pd.DataFrame, **choices: Any) -> Understanding:
    return uploads.inspect("mine.csv", csv(frame), Choices(**choices))


def data_of(understood: Understanding) -> Data:
    return load(find_plugin("datasets", "upload")(id=uploads.keep(understood).id))  # type: ignore[call-arg, arg-type]


def of_points(count: int = 60, **columns: Any) -> pd.DataFrame:
    """Return random numbers x and y, and other columns after them."""
    return pd.DataFrame({"x": RANDOM.normal(size=count), "y": RANDOM.normal(size=count), **columns})


# -- label ----------------------------------------------------------------------------------------------------------

HALVES = ["a", "b"] * 30
TABLES: dict[str, tuple[pd.DataFrame, tuple[str, ...], int]] = {  # with the label and the number of classes
    "words among whole numbers": (
        pd.DataFrame({"species": HALVES, "x": RANDOM.integers(0, 9, 60), "y": np.arange(60) % 4}), ("species",), 2),
    "words under an unknown name": (pd.DataFrame({"x": RANDOM.normal(size=60), "mood": HALVES}), ("mood",), 2),
    "whole numbers at the end": (of_points(taste=np.arange(60) % 3), ("taste",), 3),
    "whole numbers at the beginning": (
        pd.DataFrame({"cultivar": np.arange(60) % 3, "ash": RANDOM.normal(size=60), "hue": RANDOM.normal(size=60)}),
        ("cultivar",), 3),
    "a name among words": (
        pd.DataFrame({"sex": HALVES, "age": RANDOM.integers(1, 90, 60), "class": ["1", "2", "3"] * 20,
                      "survived": [1, 0, 0, 1] * 15, "town": ["u", "v"] * 30}), ("survived",), 2),
    "y after pixels": (
        pd.DataFrame(DIGITS.data.astype(int)).add_prefix("p").assign(y=DIGITS.target), ("y",), 10),
    "columns of which one is 1": (
        of_points(label_cat=[1, 0, 0] * 20, label_dog=[0, 1, 0] * 20, label_owl=[0, 0, 1] * 20),
        ("label_cat", "label_dog", "label_owl"), 3),
}  # fmt: skip


@pytest.mark.parametrize(("frame", "label", "count"), TABLES.values(), ids=TABLES)
def test_the_label_is_inferred_from_names_and_values(frame: pd.DataFrame, label: tuple[str, ...], count: int) -> None:
    understood = inspect(frame)
    assert (understood.label, len(understood.classes)) == (label, count)
    assert understood.task == "classification"


def test_without_a_header_pixels_come_before_or_after_their_label() -> None:
    pixels = DIGITS.data.astype(int)
    for columns in ([DIGITS.target[:, None], pixels], [pixels, DIGITS.target[:, None]]):
        understood = uploads.inspect("d.csv", csv(pd.DataFrame(np.hstack(columns)), header=False))
        assert understood.classes == tuple("0123456789")
        assert [sum(counts) for counts in zip(*understood.counts.values(), strict=True)] == np.bincount(
            DIGITS.target
        ).tolist()


def test_another_label_can_be_chosen_and_names_of_classes_can_be_changed_and_joined(home: Path) -> None:
    frame = of_points(kind=HALVES, place=["u", "v", "w"] * 20)
    understood = inspect(frame, label=("place",), ignore=("kind",), names=(("u", "north"), ("w", "north")))
    assert understood.classes == ("north", "v")
    assert understood.ignored == ("kind",)
    assert uploads.keep(understood).counts == (40, 20)
    with pytest.raises(ValueError, match='no column "colour"; it has "x", "y", "kind", "place"'):
        inspect(frame, label=("colour",))
    with pytest.raises(ValueError, match='no class "z"'):
        inspect(frame, label=("place",), names=(("z", "a"),))


def test_numbers_are_sorted_as_text_as_folders_are() -> None:
    assert inspect(of_points(240, label=np.arange(240) % 12)).classes == tuple(sorted(map(str, range(12))))


# -- inputs ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("loader", "width"), [(load_iris, 4), (load_wine, 13), (load_breast_cancer, 30)])
def test_numbers_are_standardised_by_the_training_split(home: Path, loader: Callable[..., Any], width: int) -> None:
    bunch = loader(as_frame=True)
    upload = uploads.add("mine.csv", bunch.frame.to_csv().encode())  # with an index
    assert (upload.kind, upload.shape, len(upload)) == ("table", (width,), len(bunch.frame))
    _, labels, splits = uploads.read(upload.id)
    assert labels.tolist() == bunch.target.tolist()
    data = load(find_plugin("datasets", "upload")(id=upload.id))  # type: ignore[call-arg, arg-type]
    scaler = StandardScaler().fit(bunch.data.to_numpy()[splits == 0])
    for number, split in enumerate(data.splits.values()):
        expected = scaler.transform(bunch.data.to_numpy()[splits == number])
        order = np.lexsort(expected.T), np.lexsort(split.inputs.numpy().T)
        np.testing.assert_allclose(split.inputs.numpy()[order[1]], expected[order[0]], atol=2e-4)


ADULT = pd.DataFrame({
    "age": [39, 50, 38, 53] * 30, "workclass": ["State-gov", "?", "Private", "Private"] * 30,
    "education": ["Bachelors", "HS-grad", "HS-grad", ""] * 30, "hours": ["40", "13", "", "40"] * 30,
    "fnlwgt": RANDOM.integers(10_000, 90_000, 120), "country": ["Cuba"] * 120,
    "name": [f"person {number}" for number in range(120)], "income": ["<=50K", ">50K", "<=50K", ">50K"] * 30,
})  # fmt: skip


def test_words_become_one_input_each_and_missing_values_the_median_or_a_word(home: Path) -> None:
    understood = inspect(ADULT)
    assert understood.ignored == ("country", "name")
    assert '30 missing values of "hours" become the median in training.' in understood.notes
    upload = uploads.keep(understood)
    inputs, _, splits = uploads.read(upload.id)
    encodings = {column.name: column.encoding for column in upload.inputs}
    assert encodings["workclass"]["values"] == ["Private", "State-gov", "missing"]
    assert encodings["education"]["values"] == ["Bachelors", "HS-grad", "missing"]
    assert inputs.shape == (120, 1 + 3 + 3 + 1 + 1)
    assert inputs[:4, 1:7].tolist() == [[0, 1, 0, 1, 0, 0], [0, 0, 1, 0, 1, 0], [1, 0, 0, 0, 1, 0], [1, 0, 0, 0, 0, 1]]
    hours = pd.to_numeric(ADULT["hours"]).to_numpy()
    median = float(np.nanmedian(hours[splits == 0]))
    assert inputs[:, 7].tolist() == np.where(np.isnan(hours), median, hours).tolist()
    assert encodings["hours"]["median"] == median
    data = data_of(understood)
    assert data.train.inputs[:, 1:7].unique().tolist() == [0, 1]  # words are not standardised


def test_a_table_whose_words_become_too_many_inputs_is_refused(
    refusal: Refuse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kd_core.files.uploads.table_dataset.MAX_STORED_BYTES", 4 * 120 * 9 - 1)
    assert "give fewer lines" in refusal(csv(ADULT), "adult.csv")


def test_a_table_trains_with_the_recommended_networks_from_end_to_end(home: Path) -> None:
    upload = uploads.keep(inspect(ADULT))
    config = from_flat({"dataset": "upload", "dataset_id": upload.id, "epochs": "2", "teacher_epochs": "1"})
    assert (config.teacher.name, config.student.name) == ("mlp", "mlp")
    *_, finished = Trainer(config)
    assert set(finished.test) == {"teacher", "student", "baseline"}  # type: ignore[attr-defined]


def test_what_predicts_from_a_row_knows_every_column(home: Path) -> None:
    upload = uploads.keep(inspect(ADULT))
    dataset: Any = find_plugin("datasets", "upload")(id=upload.id)
    columns = dataset.columns(load(dataset))
    assert [column["name"] for column in columns] == ["age", "workclass", "education", "hours", "fnlwgt"]
    assert columns[1] == {"name": "workclass", "words": ["Private", "State-gov", "missing"], "missing": "missing"}
    row = [(39 - columns[0]["mean"]) / columns[0]["std"], 0, 1, 0, 1, 0, 0]
    first = (uploads.read(upload.id)[0][0].double() - _means(columns)) / _stds(columns)
    torch.testing.assert_close(first[:7], torch.tensor(row, dtype=torch.float64))


def _means(columns: list[dict[str, Any]]) -> torch.Tensor:
    return torch.tensor(
        [value for one in columns for value in ([0.0] * len(one["words"]) if "words" in one else [one["mean"]])]
    )


def _stds(columns: list[dict[str, Any]]) -> torch.Tensor:
    return torch.tensor(
        [value for one in columns for value in ([1.0] * len(one["words"]) if "words" in one else [one["std"]])]
    )


IGNORED: dict[str, tuple[pd.DataFrame, tuple[str, ...]]] = {
    "an index": (of_points(label=HALVES).reset_index(names=""), ("column 1 (unnamed)",)),
    "an id that counts up": (of_points(Id=np.arange(5, 65), label=HALVES), ("Id",)),
    "an id that does not": (of_points(patient_id=RANDOM.permutation(900)[:60], label=HALVES), ("patient_id",)),
    "an empty column": (of_points(note=[None] * 60, label=HALVES), ("note",)),
    "a constant": (of_points(unit=[7] * 60, label=HALVES), ("unit",)),
    "nearly a constant": (of_points(time=1e8 + np.arange(60.0)[::-1], label=HALVES), ("time",)),
    "names": (of_points(60, title=[f"t{n}" for n in range(60)], label=HALVES), ("title",)),
    "nothing": (of_points(visits=np.arange(60), label=HALVES), ()),
}


@pytest.mark.parametrize(("frame", "expected"), IGNORED.values(), ids=IGNORED)
def test_columns_that_are_no_inputs_are_proposed_as_ignored(frame: pd.DataFrame, expected: tuple[str, ...]) -> None:
    assert inspect(frame).ignored == expected
    assert inspect(frame, ignore=()).ignored == ()


def test_a_column_of_too_many_words_is_named() -> None:
    frame = of_points(2400, name=[f"n{number}" for number in range(2400)], label=["a", "b"] * 1200)
    assert inspect(frame).ignored == ("name",)
    with pytest.raises(ValueError, match='"name" has more than 1,000 different words: ignore this column'):
        inspect(frame, ignore=())


def test_pixels_are_whole_numbers_to_255_or_fractions_of_1() -> None:
    labels = {"label": np.arange(40) % 2}
    pixels = RANDOM.integers(0, 256, (40, 64))
    names = [f"p{number}" for number in range(64)]
    whole = inspect(pd.DataFrame(pixels, columns=names).assign(**labels))
    parts = inspect(pd.DataFrame(pixels / 255, columns=names).assign(**labels))
    assert (whole.kind, parts.kind) == ("images", "images")
    assert torch.equal(whole.tensors["inputs"], parts.tensors["inputs"])
    assert whole.tensors["inputs"].flatten(1).tolist() == pixels.tolist()
    table = inspect(pd.DataFrame(pixels - 128.5, columns=names).assign(**labels))
    assert (table.kind, table.tensors["inputs"].shape) == ("table", (40, 64))
    assert inspect(pd.DataFrame(pixels, columns=names).assign(**labels), kind="table").kind == "table"
    with pytest.raises(ValueError, match="with n from 8 to 224"):
        inspect(of_points(label=HALVES), kind="images")


def test_a_column_of_splits_is_kept_and_what_it_lacks_is_drawn_from_training() -> None:
    split = ["train"] * 40 + ["dev"] * 20
    understood = inspect(of_points(label=HALVES, split=split))
    assert understood.given_splits == ("train", "validation")
    splits = understood.tensors["splits"]
    assert (splits == 1).nonzero().flatten().tolist() == [*range(40, 60)]
    assert [sum(counts) for counts in understood.counts.values()] == [34, 20, 6]
    assert "split" not in [column.name for column in understood.columns if column.role == "number"]


# -- what cannot be used --------------------------------------------------------------------------------------------


def test_bad_rows_are_listed_with_their_reasons_and_left_out_when_the_user_agrees(home: Path) -> None:
    frame = of_points(label=HALVES).astype(object)
    frame.loc[3, "x"], frame.loc[7, "y"], frame.loc[9, "label"] = "two", "inf", None
    blob = csv(frame) + b"1,2\n"
    understood = uploads.inspect("mine.csv", blob)
    assert [(one.where, one.reason.split(": ")[-1].split(",")[0]) for one in understood.left_out] == [
        ("line 62", "give each the same."),
        ("line 5", "write digits"),
        ("line 9", "correct it"),
        ("line 11", "write the name of the class there."),
    ]
    with pytest.raises(ValueError, match=r"4 files, rows or classes cannot be used.*line 62 has 2 columns"):
        uploads.keep(understood)
    assert uploads.list_all() == []
    assert len(uploads.add("mine.csv", blob, leave_out=True)) == 57


def test_classes_that_are_too_small_are_listed_and_left_out(home: Path) -> None:
    frame = of_points(label=["a"] * 28 + ["b"] * 28 + ["c"] * 4)
    understood = inspect(frame)
    assert [one.where for one in understood.left_out] == ["class c"]
    assert 'needs at least 5 examples that differ, since there are three splits, and "c" has 4' in understood.obstacle
    assert uploads.keep(inspect(frame, leave_out=True)).classes == ("a", "b")


def test_a_class_whose_examples_are_copies_of_another_class_is_too_small() -> None:
    frame = pd.concat([of_points(label=HALVES), of_points(1, label=["c"])])
    frame.iloc[-1, :2] = frame.iloc[0, :2]
    understood = inspect(frame)
    assert [one.where for one in understood.left_out] == ["class c"]
    assert '"c" has 0' in understood.left_out[0].reason


def test_numbers_that_are_the_same_as_they_are_stored_are_copies() -> None:
    """They differ in the last digits of float64 alone."""
    frame = of_points(label=HALVES)
    twins = frame.assign(x=frame["x"] * (1 + 1e-12))
    assert inspect(pd.concat([frame, twins])).copies == 60


# -- kinds ----------------------------------------------------------------------------------------------------------

KINDS: dict[str, tuple[pd.DataFrame, str]] = {
    "a number with many values": (of_points(price=RANDOM.normal(size=60)), "regression"),
    "a target of 40 whole numbers": (of_points(200, target=np.arange(200) % 40), "regression"),
    "labels with a separator": (of_points(tags=["cat|dog", "cat", "dog", "dog|owl", "owl"] * 12), "multi-label"),
    "labels with commas": (of_points(label=["cat, dog", "cat", "dog"] * 20), "multi-label"),
    "several columns of 0 and 1": (
        of_points(label_cat=RANDOM.integers(0, 2, 60), label_dog=RANDOM.integers(0, 2, 60)), "multi-label"),
}  # fmt: skip


@pytest.mark.parametrize(("frame", "kind"), KINDS.values(), ids=KINDS)
def test_kinds_without_a_class_per_example_are_recognised_and_taken(home: Path, frame: pd.DataFrame, kind: str) -> None:
    understood = inspect(frame)
    assert (understood.kind, understood.obstacle) == (kind, "")
    assert understood.task == kind.replace("-", "_")
    upload = uploads.keep(understood)
    assert len(upload) == len(frame) == sum(understood.examples.values())
    data = load(Uploaded(upload.id))
    assert data.task == Uploaded(upload.id).task
    assert [len(split) for split in data.splits.values()] == list(understood.examples.values())
    assert data.train.labels.shape[1:] == (len(data.classes),)


def test_several_labels_are_those_of_their_cells(home: Path) -> None:
    frame = of_points(tags=["cat|dog", "cat", "dog", "dog|owl", "owl"] * 12)
    flags = frame.drop(columns="tags").assign(
        label_cat=[1, 1, 0, 0, 0] * 12, label_dog=[1, 0, 1, 1, 0] * 12, label_owl=[0, 0, 0, 1, 1] * 12
    )
    for one, names in ((frame, ("cat", "dog", "owl")), (flags, ("label_cat", "label_dog", "label_owl"))):
        understood = inspect(one)
        assert understood.classes == names
        assert understood.tensors["labels"].tolist() == [[1, 1, 0], [1, 0, 0], [0, 1, 0], [0, 1, 1], [0, 0, 1]] * 12
        assert understood.headline.endswith("60 rows of numbers and words with any number of labels each, 3 classes.")


def test_a_number_is_standardised_by_the_training_split_and_shown_in_its_unit(home: Path) -> None:
    frame = of_points(price=1000 + 50 * RANDOM.normal(size=60))
    upload = uploads.keep(inspect(frame))
    data = load(Uploaded(upload.id))
    assert data.classes == ("price",)
    assert data.train.labels.mean().item() == pytest.approx(0, abs=1e-5)
    assert data.train.labels.std(correction=0).item() == pytest.approx(1, abs=1e-5)
    numbers = torch.cat([split.labels for split in data.splits.values()]).double() * data.label_scale[0]
    assert sorted((numbers + data.label_centre[0]).flatten().tolist()) == pytest.approx(
        sorted(frame["price"]), rel=1e-5
    )


BAD_TARGETS = {
    "an empty number": ({"price": [*map(str, RANDOM.normal(size=59)), ""]}, "write the number there"),
    "a word": ({"price": [*map(str, RANDOM.normal(size=59)), "dear"]}, "is not a number"),
    "an infinite number": ({"price": [*map(str, RANDOM.normal(size=59)), "inf"]}, "is not a finite number"),
    "no labels": ({"tags": ["cat|dog", "cat", "dog"] * 19 + ["cat", "dog", ""]}, "write its labels there"),
    "a rare label": ({"tags": ["cat|dog", "cat", "dog"] * 19 + ["cat", "dog", "owl"]}, "has 1 of the"),
}


@pytest.mark.parametrize(("columns", "reason"), BAD_TARGETS.values(), ids=BAD_TARGETS)
def test_rows_and_classes_without_a_usable_label_are_listed_and_left_out_on_demand(
    home: Path, columns: dict[str, list[str]], reason: str
) -> None:
    frame = of_points(**columns)
    understood = inspect(frame)
    assert [reason in one.reason for one in understood.left_out] == [True]
    assert "or have what cannot be used left out" in understood.obstacle
    assert uploads.keep(inspect(frame, leave_out=True))


def test_a_number_that_is_the_same_everywhere_or_of_few_rows_is_refused() -> None:
    with pytest.raises(ValueError, match="too few for three splits"):
        inspect(of_points(6, price=RANDOM.normal(size=6)))


def test_a_regression_target_becomes_classes_only_if_the_user_says_so() -> None:
    frame = of_points(200, target=np.arange(200) % 40)
    assert any("task=classification" in note for note in inspect(frame).notes)
    understood = inspect(frame, task="classification")
    assert (understood.kind, len(understood.classes)) == ("points", 40)


TEXTS = pd.DataFrame({"line": [f"some text of row {row} that is long" for row in range(60)]})


@pytest.mark.parametrize(
    ("column", "kind", "task", "classes"),
    [
        (RANDOM.normal(size=60), "regression text", "text_regression", ("about",)),
        (["cat|dog", "cat", "dog"] * 20, "multi-label text", "text_multi_label", ("cat", "dog")),
    ],
)
def test_texts_with_a_number_or_several_labels_are_taken(
    home: Path, column: Any, kind: str, task: str, classes: tuple[str, ...]
) -> None:
    understood = inspect(TEXTS.assign(about=column))
    assert (understood.kind, understood.task, understood.obstacle) == (kind, task, "")
    assert understood.classes == classes
    upload = uploads.keep(understood)
    data = load(Uploaded(id=upload.id))
    assert data.task.name == task
    assert "that is long" in data.task.text_of(data.test.inputs, data)[0]
    assert data.train.labels.shape[1] == len(classes)


def test_texts_whose_number_is_none_are_listed_and_left_out_on_demand() -> None:
    scores = RANDOM.normal(size=60).astype(object)
    scores[[4, 5, 6]] = ["good", "nan", "inf"]
    understood = inspect(TEXTS.assign(score=scores))
    assert [reason.split(":")[0] for reason in (one.reason for one in understood.left_out)] == [
        "line 6, column 2", "line 7, column 2 is empty", "line 8, column 2",
    ]  # fmt: skip
    assert understood.obstacle
    assert sum(inspect(TEXTS.assign(score=scores), leave_out=True).examples.values()) == 57


def test_labels_between_bars_may_be_more_than_their_combinations() -> None:
    understood = inspect(of_points(label=["red|warm", "blue|cold", "green"] * 20))
    assert understood.classes == ("blue", "cold", "green", "red", "warm")


def test_names_with_a_comma_are_no_several_labels() -> None:
    assert inspect(of_points(label=["red, dark", "blue, light"] * 30)).kind == "points"


def test_there_is_a_task_for_every_kind_of_examples() -> None:
    assert TASK_OF.keys() == CONTENT.keys()
    assert set(TASK_OF.values()) <= set(plugins("tasks"))
