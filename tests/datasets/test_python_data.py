"""Data given from Python."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.preprocessing import StandardScaler
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

import kd_core as kd
from kd_core.datasets import load
from kd_core.datasets._python import as_dataset

Arrays = tuple[Tensor, ...]


def arrays(count: int = 60, classes: int = 3) -> Arrays:
    random = torch.Generator().manual_seed(1)
    sizes = (count, count // 2, count // 2)
    return tuple(
        part for size in sizes for part in (torch.randn(size, 5, generator=random), torch.arange(size) % classes)
    )


def equal(first: kd.Data, second: kd.Data) -> bool:
    pairs = zip(
        (first.train, first.validation, first.test), (second.train, second.validation, second.test), strict=True
    )
    return all(torch.equal(a.inputs, b.inputs) and torch.equal(a.labels, b.labels) for a, b in pairs)


def test_tensors_are_used_exactly_as_they_are() -> None:
    tensors = arrays()
    data = kd.Data.from_tensors(*tensors, classes=["a", "b", "c"])
    splits = (data.train, data.validation, data.test)
    assert all(torch.equal(split.inputs, tensors[2 * n]) for n, split in enumerate(splits))
    assert all(torch.equal(split.labels, tensors[2 * n + 1]) for n, split in enumerate(splits))
    assert data.classes == ("a", "b", "c")


class Endless(IterableDataset[Any]):
    """Iterable data set without a length."""

    def __init__(self, *tensors: Tensor) -> None:
        self.tensors = tensors

    def __iter__(self) -> Any:
        return iter(zip(*self.tensors, strict=True))


@pytest.mark.parametrize(
    "read",
    [
        lambda t: kd.Data.from_numpy(*(one.numpy() for one in t)),
        lambda t: kd.Data.from_dataset(*(TensorDataset(*t[n : n + 2]) for n in (0, 2, 4))),
        lambda t: kd.Data.from_dataset(*(DataLoader(TensorDataset(*t[n : n + 2]), 7) for n in (0, 2, 4))),
        lambda t: kd.Data.from_dataset(*(Endless(*t[n : n + 2]) for n in (0, 2, 4))),
    ],
    ids=["numpy", "dataset", "loader", "iterable"],
)
def test_every_way_in_gives_the_same_data(read: Callable[[Arrays], kd.Data]) -> None:
    tensors = arrays()
    assert equal(read(tensors), kd.Data.from_tensors(*tensors))


def test_the_classes_of_a_torch_data_set_are_its_names() -> None:
    inputs, labels, *_ = arrays()
    source = TensorDataset(inputs, labels)
    source.classes = ["x", "y", "z"]  # type: ignore[attr-defined]
    assert kd.Data.from_dataset(DataLoader(source, 10)).classes == ("x", "y", "z")


def test_names_of_classes_become_positions() -> None:
    x = np.random.default_rng(0).normal(size=(30, 2))
    data = kd.Data.from_numpy(x, np.array(["cat", "dog", "ant"] * 10))
    assert data.classes == ("ant", "cat", "dog")
    rows = {
        tuple(row): name for row, name in zip(x.astype(np.float32).tolist(), ["cat", "dog", "ant"] * 10, strict=True)
    }
    for split in (data.train, data.validation, data.test):
        for row, label in zip(split.inputs.tolist(), split.labels.tolist(), strict=True):
            assert rows[tuple(row)] == data.classes[label]


def test_numbers_of_a_frame_are_standardised_and_words_become_columns() -> None:
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"size": random.normal(5, 3, 40), "colour": ["red", "blue"] * 20, "kind": ["b", "a", "a", "b"] * 10}
    )
    test = frame.sample(20, random_state=0).assign(size=random.normal(5, 3, 20))
    data = kd.Data.from_pandas(frame, test, test, label="kind")
    assert data.classes == ("a", "b")
    size = StandardScaler().fit(frame[["size"]].to_numpy())
    torch.testing.assert_close(
        data.train.inputs[:, 0].double(), torch.from_numpy(size.transform(frame[["size"]].to_numpy())[:, 0]),
        atol=1e-6, rtol=1e-5,
    )  # fmt: skip
    torch.testing.assert_close(
        data.test.inputs[:, 0].double(), torch.from_numpy(size.transform(test[["size"]].to_numpy())[:, 0]),
        atol=1e-6, rtol=1e-5,
    )  # fmt: skip
    assert data.train.inputs[:, 1].tolist() == [float(colour == "blue") for colour in frame["colour"]]
    assert data.test.labels.tolist() == [int(kind == "b") for kind in test["kind"]]


def test_missing_values_of_a_frame_become_the_median_and_a_word_of_their_own() -> None:
    frame = pd.DataFrame({"size": [1.0, 2.0, 9.0, None] * 10, "colour": ["red", None] * 20, "kind": [2, 10] * 20})
    test = frame.head(8)
    with pytest.warns(UserWarning, match="missing values in size, colour"), pytest.warns(UserWarning, match="as well"):
        data = kd.Data.from_pandas(frame, test, test, label="kind")
    assert data.classes == ("10", "2")  # as text
    size = data.train.inputs[:, 0]
    assert torch.equal(size[1::4], size[3::4])  # 2 is the median
    assert data.train.inputs[1, 1:].tolist() == [1, 0]  # missing, red


def test_what_is_held_out_has_every_class_and_no_copy_of_a_training_example() -> None:
    x = torch.arange(50.0).repeat(4)[:, None].expand(-1, 3)  # every example four times
    y = (torch.arange(200) % 50) % 5
    data = kd.Data.from_tensors(x, y)
    values = [set(split.inputs[:, 0].tolist()) for split in (data.train, data.validation, data.test)]
    assert sum(map(len, values)) == 50
    assert len(set().union(*values)) == 50
    assert all(len(split.labels.unique()) == 5 for split in (data.train, data.validation, data.test))
    assert len(data.train) + len(data.validation) + len(data.test) == 200


NAN = torch.tensor([[0.0, torch.nan]]).repeat(9, 1)
X, Y = torch.randn(9, 2), torch.arange(9) % 3


@pytest.mark.parametrize(
    ("arguments", "fragments"),
    [
        ((NAN, Y), ["x_train", "9 of 9", "NaN"]),
        ((X, Y, NAN, Y), ["x_val", "NaN"]),
        ((X / 0, Y), ["x_train", "infinite"]),
        ((X, Y * 0), ["y_train", "one class"]),
        ((X, Y * 0 + 2), ["y_train", "one class"]),
        ((X, Y - 1), ["y_train", "-1", "0 to 1"]),
        ((X, Y, X, Y + 1), ["y_val", "label 3", "0 to 2"]),
        ((X, Y, X, Y, X, Y + 1), ["y_test", "label 3"]),
        ((X, Y[:4]), ["y_train", "9 examples"]),
        ((X, torch.eye(9)), ["x_val", "less than two distinct examples", "class"]),
        ((X, Y + 0.5), ["x_val", "less than 15 distinct"]),
        ((X, Y[:, None].expand(-1, 3)), ["y_train", "(9, 3)", "not all 0 and 1"]),
        ((X, torch.zeros(9, 2, 2)), ["y_train", "(9, 2, 2)", "0 and 1, or of numbers"]),
        ((X, torch.ones(9, 3)), ["y_train", "nothing to learn"]),
        ((X, torch.full((9,), 0.5)), ["y_train", "nothing to learn"]),
        ((X, torch.where(Y == 1, torch.nan, 0.5)), ["y_train", "3 labels are NaN or infinite"]),
        ((X, torch.eye(9), X, Y), ["y_val", "(9,)"]),
        ((X, Y, X[:, :1], Y), ["x_val", "(1,)", "(2,)"]),
        ((X[:0], Y[:0]), ["x_train", "example"]),
        ((X[:, 0], Y), ["x_train", "(9,)"]),
        ((X, None), ["y_train", "nothing"]),
        ((X, [0, 1]), ["y_train", "list"]),
        ((X[:4], torch.tensor([0, 0, 1, 1])), ["x_test", "less than two distinct examples", "class"]),
    ],
)
def test_bad_data_are_refused_with_the_name_of_the_argument(arguments: tuple[Any, ...], fragments: list[str]) -> None:
    with pytest.raises(ValueError, match=fragments[0]) as error:
        kd.Data.from_tensors(*arguments)
    assert all(fragment in str(error.value) for fragment in fragments), error.value


def test_labels_beyond_the_names_of_the_classes_are_refused() -> None:
    with pytest.raises(ValueError, match="y_train: the label 2 is not one of 0 to 1"):
        kd.Data.from_tensors(X, Y, classes=["a", "b"])
    with pytest.raises(ValueError, match='"c" is not one of the classes a, b'):
        kd.Data.from_numpy(X.numpy(), np.array(list("abcabcabc")), classes=["a", "b"])
    with pytest.raises(ValueError, match="classes: a name occurs twice"):
        kd.Data.from_tensors(X, Y, classes=["a", "b", "a"])


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ({"x": [1.0, 3.0, 2.0], "y": ["a", None, "a"]}, "train: the column y has missing values"),
        ({"x": [1.0, 2.0, 2.0], "z": [0, 1, 0]}, "label: train has no column 'y'"),
        ({"x": pd.date_range("2020", periods=3), "y": [0, 1, 0]}, "train: the column x holds neither"),
    ],
)
def test_bad_frames_are_refused_with_the_column(frame: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kd.Data.from_pandas(pd.DataFrame(frame), label="y")


def test_a_data_set_of_anything_but_pairs_of_tensors_is_refused() -> None:
    with pytest.raises(ValueError, match="train: an item is a Tensor"):
        kd.Data.from_dataset([torch.zeros(2)])
    with pytest.raises(ValueError, match="train: an input is a str"):
        kd.Data.from_dataset([("text", 1)])
    with pytest.raises(ValueError, match="train: it has no examples"):
        kd.Data.from_dataset([])
    with pytest.raises(ValueError, match="validation: its inputs have different shapes"):
        kd.Data.from_dataset([(X[0], 0), (X[1], 1)], [(X[0], 0), (X[1, :1], 1)])


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (X.to_sparse(), Y, "x_train: a tensor of torch.float32 .*dense"),
        (X.to(torch.complex64), Y, "x_train: a tensor of torch.complex64 .*real numbers"),
        (X.to("meta"), Y, "x_train: .*dense"),
        (torch.tensor(1.0), torch.tensor(0), "x_train: a single number"),
        (X, torch.where(Y == 1, torch.inf, 0.0), "y_train: 3 labels are NaN or infinite"),
        (X, torch.where(Y == 1, 1e31, 0.0), "y_train: a label is not between ±1e[+]30: choose a larger unit"),
        (X, Y * 10**9, "y_train: the largest label is 2000000000; there may be 100,000 classes"),
    ],
)
def test_tensors_that_nothing_can_be_learned_from_are_refused(x: Tensor, y: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kd.Data.from_tensors(x, y)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"classes": 3}, "classes: a int was given; it must be a list of names"),
        ({"mean": "a", "std": "b"}, "mean = 'a': it must be a list of numbers"),
        ({"mean": (0,), "std": (0,)}, "std = .0,.: each number must be above 0"),
        ({"mean": (float("nan"),), "std": (1,)}, "mean = .nan,.: each number must be finite"),
        ({"mean": (0, 1, 2), "std": (1,)}, "mean: 3 numbers were given; it must have 1[.]"),
        ({"task": "language"}, "task = 'language': choose one of auto, classification, multi_label, regression"),
        ({"task": "multi_label"}, "y_train: labels of shape .9,.; it must be 0 or 1 for each class"),
    ],
)
def test_names_and_scales_of_another_kind_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kd.Data.from_tensors(X, Y, **settings)


@pytest.mark.parametrize("kind", [">f8", "longdouble", "float16", "uint16"])
def test_arrays_of_every_kind_of_numbers_are_read(kind: str) -> None:
    arguments = [array.numpy() for array in arrays()]
    arguments[0] = np.round(arguments[0] * 10 + 100).astype(kind)
    arguments[0].setflags(write=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = kd.Data.from_numpy(*arguments)
    assert np.array_equal(data.train.inputs.numpy(), arguments[0].astype(np.float32))


def test_what_is_no_array_is_refused_with_its_argument() -> None:
    with pytest.raises(ValueError, match="x_train: it cannot be made an array"):
        kd.Data.from_numpy([[1, 2], [3]], [0, 1])
    with pytest.raises(ValueError, match="8 arrays were given; there can be six: x_train"):
        kd.Data.from_numpy(*[X.numpy(), Y.numpy()] * 4)
    with pytest.raises(ValueError, match="train: example 0 has the label 'cat'"):
        kd.Data.from_dataset([(X[0], "cat")])
    with pytest.raises(ValueError, match="train: a int was given; it must be a torch Dataset"):
        kd.Data.from_dataset(3)
    with pytest.raises(ValueError, match="train: a list was given; it must be a pandas DataFrame"):
        kd.Data.from_pandas([1], label="y")  # type: ignore[arg-type]


def test_frames_with_odd_columns_are_refused_with_their_name() -> None:
    frame = pd.DataFrame({"x": np.arange(6.0), "y": [0, 1] * 3})
    for bad, message in (
        (frame.assign(o=[[1]] * 6), "the column o holds neither numbers nor words"),
        (pd.concat([frame, frame[["x"]]], axis=1), "train: it has several columns x"),
        (frame[["y"]], "train: it has no column but the label 'y'"),
        (frame.assign(y=[1, "a"] * 3), "label = 'y': its values cannot be sorted"),
        (
            pd.DataFrame({"t": [*(f"a text of its own, number {n}" for n in range(5)), ""], "y": [0, 1] * 3}),
            "t: 1 of 6",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            kd.Data.from_pandas(bad, label="y")
    with pytest.raises(ValueError, match="validation: its columns are not those of train; they differ in z"):
        kd.Data.from_pandas(frame.assign(z=1.0), frame, label="y")


def numbers(count: int = 60) -> tuple[Tensor, Tensor]:
    x = torch.randn(count, 3, generator=torch.Generator().manual_seed(2))
    return x, 1000 + 50 * x[:, 0] + x[:, 1]


def test_zeros_and_ones_are_several_labels_unless_each_example_has_one() -> None:
    x, y = numbers()
    several = torch.stack([y > 1000, y > 1050, y < 990], 1)
    for labels in (several, several.long(), several.float()):
        data = kd.Data.from_tensors(x, labels, classes=["a", "b", "c"])
        assert data.task == kd.tasks.MultiLabel(classes=3)
        rows = {tuple(row): label for row, label in zip(x.tolist(), several.long().tolist(), strict=True)}
        for split in data.splits.values():
            assert [rows[tuple(row)] for row in split.inputs.tolist()] == split.labels.tolist()
    one_hot = torch.eye(3)[torch.arange(60) % 3]
    assert kd.Data.from_tensors(x, one_hot).task == kd.tasks.Classification()
    assert kd.Data.from_tensors(x, one_hot, task="multi_label").task == kd.tasks.MultiLabel(classes=3)


def test_numbers_are_standardised_by_the_training_set_and_have_their_unit() -> None:
    x, y = numbers()
    for labels, names in ((y, ("number",)), (torch.stack([y, -y], 1), ("number 0", "number 1"))):
        data = kd.Data.from_tensors(x, labels)
        assert (data.task, data.classes) == (kd.tasks.Regression(), names)
        scaler = StandardScaler().fit((labels[torch.isin(x[:, 0], data.train.inputs[:, 0])]).reshape(-1, len(names)))
        assert (data.label_centre, data.label_scale) == (
            pytest.approx(scaler.mean_.tolist()),
            pytest.approx(scaler.scale_.tolist()),
        )
        for split in data.splits.values():
            units = split.labels * torch.tensor(data.label_scale) + torch.tensor(data.label_centre)
            exact = 1000 + 50 * split.inputs[:, 0] + split.inputs[:, 1]
            torch.testing.assert_close(units[:, 0], exact, rtol=1e-5, atol=1e-3)


def test_whole_numbers_are_classes_where_they_are_few() -> None:
    x, y = numbers()
    assert kd.Data.from_tensors(x, y.round() % 4).task == kd.tasks.Classification()
    assert kd.Data.from_tensors(x, y.round()).task == kd.tasks.Regression()
    assert kd.Data.from_tensors(x, torch.arange(60) % 4, task="regression").task == kd.tasks.Regression()


TEXTS = np.array([f"line {number} of a text with {'few' if number % 3 else 'many'} words" for number in range(60)])


def test_texts_are_code_points_of_one_length_with_labels_of_any_kind() -> None:
    _, y = numbers()
    labels = {"classification": np.arange(60) % 2, "multi_label": np.eye(60, 3) + np.eye(60, 3, -1), "regression": y}
    for kind, values in labels.items():
        data = kd.Data.from_numpy(TEXTS, values)
        assert data.task.name == f"text_{kind}"
        assert {len(split.inputs[0]) for split in data.splits.values()} == {max(map(len, TEXTS))}
        texts = [text for split in data.splits.values() for text in data.task.text_of(split.inputs, data)]
        assert sorted(texts) == sorted(TEXTS)
    with pytest.raises(ValueError, match="x_val: numbers were given, and x_train holds texts"):
        kd.Data.from_numpy(TEXTS, labels["classification"], np.zeros((60, 1)), labels["classification"])
    with pytest.raises(ValueError, match="x_train: 1 of 60 texts are empty"):
        kd.Data.from_numpy(np.where(np.arange(60) == 7, " ", TEXTS), labels["classification"])


def test_the_label_columns_of_a_frame_say_the_task() -> None:
    x, y = numbers()
    frame = pd.DataFrame(x.numpy(), columns=["p", "q", "r"])
    flags = frame.assign(high=(y > 1000).numpy(), low=(y < 1050).numpy())
    joined = frame.assign(tags=["red|blue" if one > 1000 else "blue" for one in y])
    for data, task, names in (
        (kd.Data.from_pandas(frame.assign(price=y.numpy()), label="price"), "regression", ("price",)),
        (kd.Data.from_pandas(frame.assign(age=y.numpy().round().astype(int)), label="age"), "regression", ("age",)),
        (kd.Data.from_pandas(flags, label=["high", "low"]), "multi_label", ("high", "low")),
        (kd.Data.from_pandas(joined, label="tags"), "multi_label", ("blue", "red")),
        (kd.Data.from_pandas(frame, label=["q", "r"]), "regression", ("q", "r")),
        (kd.Data.from_pandas(pd.DataFrame({"text": TEXTS, "y": y}), label="y"), "text_regression", ("y",)),
    ):
        assert (data.task.name, data.classes) == (task, names)
    assert data.task.text_of(data.test.inputs, data)[0] in TEXTS
    few = kd.Data.from_pandas(frame.assign(stars=[1, 2, 3] * 20), label="stars")
    assert (few.task.name, few.classes) == ("classification", ("1", "2", "3"))


def test_data_made_by_hand_are_checked_when_they_are_used() -> None:
    good = kd.Data.from_tensors(*arrays())
    split = kd.datasets.Split(torch.full((4, 5), torch.nan), torch.zeros(4, dtype=torch.long))
    with pytest.raises(ValueError, match=r"dataset\.validation\.inputs: 4 of 4 examples hold NaN"):
        kd.RunConfig(dataset=kd.Data(good.train, split, good.test, good.classes))


def test_equal_data_are_one_data_set_and_others_are_not() -> None:
    first, again = as_dataset(kd.Data.from_tensors(*arrays())), as_dataset(kd.Data.from_tensors(*arrays()))
    assert first == again
    assert load(first) is load(again)
    assert as_dataset(kd.Data.from_tensors(*arrays(66))) != first


def test_pixels_span_black_to_white_unless_their_scale_is_given() -> None:
    images, labels = torch.rand(20, 1, 4, 4) * 6 - 2, torch.arange(20) % 2
    images[0, 0, 0, 0], images[0, 0, 0, 1] = -2, 4
    data = kd.Data.from_tensors(images, labels)
    pixels = data.pixels(images[:1])
    assert pixels[0, 0, 0, :2].tolist() == [0, 255]
    scaled = kd.Data.from_tensors(images, labels, mean=[0.5], std=[0.25])
    torch.testing.assert_close(
        scaled.pixels(images).double(), ((images * 0.25 + 0.5) * 255).round().clamp(0, 255).double()
    )


def test_inputs_that_are_no_images_are_drawn_as_rows() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = kd.Data.from_tensors(*arrays())
    assert data.pixels(data.train.inputs[:2]).shape == (2, 1, 1, 5)
    assert data.noun == "examples"


def test_copies_between_given_splits_are_counted_in_a_warning() -> None:
    x, y, *_ = arrays()
    test = torch.cat([x[:3], torch.randn(4, 5, generator=torch.Generator().manual_seed(9))])
    with pytest.warns(UserWarning, match="x_test: 3 of 7 examples are in x_train as well"):
        kd.Data.from_tensors(x, y, x_test=test, y_test=torch.arange(7) % 3)
