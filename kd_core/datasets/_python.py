"""Data given from Python, as tensors, arrays, torch data sets and data frames."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from kd_core.base.registry import register, registered
from kd_core.base.seeds import generator
from kd_core.datasets import Data, Dataset, NotAvailableError, Split
from kd_core.datasets._splits import hold_out, range_to_pixels
from kd_core.files import descriptions
from kd_core.files.uploads.splits import first_occurrences
from kd_core.files.uploads.table_dataset import MISSING_WORD

if TYPE_CHECKING:
    import pandas as pd

HELD_OUT = 0.15  # of each class, for a validation or test set that is not given
MAX_CLASSES = 100_000
MAX_STORED = 1_000_000_000  # bytes of inputs that are stored with a run
NAMES = {"train": "train", "validation": "val", "test": "test"}
Pair = tuple[Any, Any]  # inputs and labels
Parts = tuple[Split, Split, Split, tuple[str, ...], tuple[float, ...], tuple[float, ...]]  # arguments of Data


@dataclass(frozen=True)
class PythonDataset(Dataset):
    """Base of the classes of given data."""

    title: ClassVar[str] = "Data from Python"
    summary: ClassVar[str] = "Data given to the Python interface."
    family: ClassVar[str] = "your own"
    source: ClassVar[str] = "given from Python"
    licence: ClassVar[str] = "whatever you may do with it"
    recommended: ClassVar[Mapping[str, str]] = {"teacher": "mlp", "teacher_widths": "256-128", "student": "mlp"}
    data: ClassVar[Data | None] = None  # None where they were given to another process

    def load(self) -> Data:
        """Return the data, from a data folder if they were given to another process. Raises NotAvailableError."""
        if self.data is not None:
            return self.data
        state = descriptions.read(self.name)
        if state is None or not state.tensors:
            raise NotAvailableError(
                "These data were given from Python and are not stored on this machine: pass them again as dataset=."
            )
        train, validation, test = (
            Split(state.tensors[f"{name}/inputs"], state.tensors[f"{name}/labels"]) for name in NAMES
        )
        values = state.values
        return Data(train, validation, test, tuple(values["classes"]), tuple(values["mean"]), tuple(values["std"]))

    def is_available(self) -> bool:
        if self.data is not None:
            return True
        state = descriptions.read(self.name)
        return state is not None and bool(state.tensors)


def as_dataset(data: Data) -> Dataset:
    """Return data as a data set that a configuration can name. Raises ValueError for data that cannot be used."""
    for name, split in data.splits.items():
        if not isinstance(split, Split):
            raise ValueError(f"dataset.{name}: a {type(split).__name__} was given; use kd.Data.from_tensors.")
        _check(f"dataset.{name}.inputs", split.inputs, f"dataset.{name}.labels", split.labels, len(data.classes))
    structure = repr((data.shape, data.classes, [len(split) for split in data.splits.values()]))
    tensors = [tensor for split in data.splits.values() for tensor in (split.inputs, split.labels)]
    key = descriptions.make_key("data", structure, [*tensors, repr((data.mean, data.std, data.fill))])
    cls = registered("datasets", key)
    if cls is None or cls.data is None:  # type: ignore[attr-defined]
        cls = _dataset_class(data)
        register("datasets", key, cls)
    dataset = cls()
    assert isinstance(dataset, Dataset)
    return dataset


def described(key: str) -> type[Dataset] | None:
    """Return the class of data that were given to another process; None if no data folder describes them."""
    return _dataset_class(None) if descriptions.read(key) is not None else None


def store(dataset: PythonDataset, folder: Path) -> None:
    """Store the data in a data folder, unless they are larger than :data:`MAX_STORED`. Raises OSError."""
    data = dataset.data
    if data is None:
        return
    tensors = {f"{name}/inputs": split.inputs for name, split in data.splits.items()}
    tensors |= {f"{name}/labels": split.labels for name, split in data.splits.items()}
    values = {"classes": list(data.classes), "mean": list(data.mean), "std": list(data.std)}
    descriptions.write(folder, dataset.name, values, tensors if data.nbytes <= MAX_STORED else {})


def _dataset_class(data: Data | None) -> type[Dataset]:
    is_image = data is not None and data.has_images and min(data.shape[1:]) >= 16 and data.shape[0] in (1, 3)
    recommended = {"teacher": "cnn", "student": "cnn", "student_width": "8"} if is_image else PythonDataset.recommended
    body = {"__doc__": "Given data.", "__module__": __name__, "data": data, "recommended": recommended}
    return dataclass(frozen=True)(type("PythonDataset", (PythonDataset,), body))


def from_arrays(  # noqa: PLR0912  # each branch refuses one kind of wrong argument
    splits: Mapping[str, Pair], classes: Sequence[str], mean: Sequence[float] = (), std: Sequence[float] = ()
) -> Parts:
    """Return the arguments of :class:`Data` from inputs and labels by "train", "val" and "test". Raises ValueError."""
    checked: dict[str, Split] = {}
    for name, (inputs, labels) in splits.items():
        if inputs is None and labels is None and name != "train":
            continue
        for argument, value in ((f"x_{name}", inputs), (f"y_{name}", labels)):
            if not isinstance(value, Tensor):
                kind = "nothing" if value is None else f"a {type(value).__name__}"
                raise ValueError(f"{argument}: {kind} was given; it must be a torch tensor.")
            is_plain = value.layout == torch.strided and not value.is_quantized and not value.is_meta
            if not is_plain or value.is_complex():
                kind = f"a tensor of {value.dtype} ({value.layout}, {value.device})"
                raise ValueError(f"{argument}: {kind} was given; it must be dense and hold real numbers.")
        checked[name] = _split(name, inputs, labels)
    classes = _class_names(classes)
    train = checked["train"]
    count = len(classes) or (int(train.labels.max()) + 1 if len(train) else 0)
    if count > MAX_CLASSES:
        raise ValueError(f"y_train: the largest label is {count - 1}; there may be {MAX_CLASSES:,} classes, from 0 on.")
    for name, split in checked.items():
        _check(f"x_{name}", split.inputs, f"y_{name}", split.labels, count)
        if split.inputs.shape[1:] != train.inputs.shape[1:]:
            shapes = f"{tuple(split.inputs.shape[1:])}, and those of x_train are {tuple(train.inputs.shape[1:])}"
            raise ValueError(f"x_{name}: its examples have the shape {shapes}.")
    for name in checked.keys() - {"train"}:
        _warn_of_copies(name, checked[name], train)
    for name in ("val", "test"):
        if name not in checked:
            checked["train"], checked[name] = _held_out(checked["train"], name)
    names = tuple(map(str, classes)) or tuple(map(str, range(count)))
    if len(set(names)) < len(names):
        raise ValueError(f"classes: a name occurs twice among {', '.join(names)}.")
    is_drawn_in_colour = train.inputs.dim() == 4 and train.inputs.shape[1] == 3
    for argument, values in (("mean", mean), ("std", std)):
        _check_pixels(argument, values, channels=3 if is_drawn_in_colour else 1)
    if not (len(mean) and len(std)):
        mean, std = range_to_pixels(train.inputs)
    return checked["train"], checked["val"], checked["test"], names, tuple(map(float, mean)), tuple(map(float, std))


def from_numpy(
    arrays: Sequence[Any], more: Mapping[str, Any], classes: Sequence[str]
) -> tuple[dict[str, Any], Sequence[str]]:
    """Return the arguments of :meth:`Data.from_tensors` from those of :meth:`Data.from_numpy`. Raises ValueError."""
    order = ("x_train", "y_train", "x_val", "y_val", "x_test", "y_test")
    if len(arrays) > len(order):
        raise ValueError(f"{len(arrays)} arrays were given; there can be six: {', '.join(order)}.")
    arguments = dict(zip(order, arrays, strict=False)) | dict(more)
    labels = {name: _array(name, value) for name, value in arguments.items() if name[:2] == "y_" and value is not None}
    if any(value.dtype.kind in "OUS" for value in labels.values()):
        classes = _class_names(classes) or sorted({str(name) for value in labels.values() for name in value.tolist()})
        arguments |= {name: _positions(name, value, classes) for name, value in labels.items()}
    for name, value in arguments.items():
        if name in order and value is not None:
            array = _array(name, value)
            if array.dtype.kind not in "biuf":
                raise ValueError(f"{name}: an array of {array.dtype} was given; it must hold numbers.")
            # torch knows neither long doubles nor foreign byte orders, and warns of arrays that are read-only.
            kind = np.float64 if array.dtype.kind == "f" and array.itemsize > 8 else array.dtype.newbyteorder("=")
            arguments[name] = torch.from_numpy(np.array(array, dtype=kind))
    return arguments, classes


def from_datasets(sources: Mapping[str, Any], classes: Sequence[str]) -> Parts:
    """Return the arguments of :class:`Data` from torch data sets or loaders of examples. Raises ValueError."""
    splits: dict[str, Pair] = {}
    for name, source in sources.items():
        splits[NAMES[name]] = (None, None) if source is None else _read(name, source)
    original = getattr(sources["train"], "dataset", sources["train"])
    return from_arrays(splits, classes or tuple(getattr(original, "classes", ())))


def from_frames(frames: Mapping[str, pd.DataFrame | None], label: str, classes: Sequence[str]) -> Parts:
    """Return the arguments of :class:`Data` from data frames. Raises ValueError."""
    import pandas as pd

    tables = {name: frame for name, frame in frames.items() if frame is not None}
    for name, frame in tables.items():
        if not isinstance(frame, pd.DataFrame):
            raise ValueError(f"{name}: a {type(frame).__name__} was given; it must be a pandas DataFrame.")
        if twice := [str(column) for column in frame.columns[frame.columns.duplicated()]]:
            raise ValueError(f"{name}: it has several columns {twice[0]}; rename or drop them.")
        if label not in frame.columns:
            raise ValueError(f"label: {name} has no column {label!r}; it has {', '.join(map(str, frame.columns))}.")
        if frame[label].isna().any():
            raise ValueError(f"{name}: the column {label} has missing values; drop the rows without a label.")
        if differing := sorted(map(str, set(frame.columns) ^ set(frames["train"].columns))):  # type: ignore[union-attr]
            raise ValueError(f"{name}: its columns are not those of train; they differ in {', '.join(differing)}.")
        if frame.shape[1] < 2:
            raise ValueError(f"{name}: it has no column but the label {label!r}.")
    # Together, so that all have the same columns, also for words that one of them lacks.
    columns = _filled(pd.concat([frame.drop(columns=label) for frame in tables.values()]), frames["train"])
    try:
        table = pd.get_dummies(columns)
    except TypeError:
        table = columns  # lists and the like, which are refused below
    if others := [str(column) for column in table.columns if table[column].dtype.kind not in "biuf"]:
        raise ValueError(f"train: the column {others[0]} holds neither numbers nor words; drop or convert it.")
    targets = pd.concat([frame[label] for frame in tables.values()])
    names = [str(name) for name in classes] or _names_of(label, targets.tolist())
    labels = torch.from_numpy(_positions(f"label = {label!r}", targets.to_numpy(), names))
    values = torch.from_numpy(table.to_numpy(np.float64, copy=True))  # the frame may be read-only
    ends = np.cumsum([len(frame) for frame in tables.values()]).tolist()
    splits = {
        NAMES[name]: (values[end - len(tables[name]) : end], labels[end - len(tables[name]) : end])
        for name, end in zip(tables, ends, strict=True)
    }
    train, validation, test, class_names, *_ = from_arrays({"val": (None, None), "test": (None, None), **splits}, names)
    is_number = torch.tensor([not isinstance(column, str) or column in frames["train"] for column in table.columns])  # type: ignore[operator]
    std, mean = torch.std_mean(train.inputs.double(), 0, correction=0)
    mean, std = torch.where(is_number, mean, 0.0), torch.where(is_number & (std > 0), std, 1.0)
    scaled = [Split(((s.inputs.double() - mean) / std).float(), s.labels) for s in (train, validation, test)]
    return scaled[0], scaled[1], scaled[2], class_names, *range_to_pixels(scaled[0].inputs)


def _filled(columns: pd.DataFrame, train: pd.DataFrame) -> pd.DataFrame:
    """Return columns without missing values, which become the median in ``train``, or a word of their own."""
    import pandas as pd

    missing = {str(column): int(columns[column].isna().sum()) for column in columns if columns[column].isna().any()}
    if not missing:
        return columns
    count, names = sum(missing.values()), ", ".join(list(missing)[:5])
    warnings.warn(
        f"{count} missing values in {names}: numbers become the median of train, and words “{MISSING_WORD}”.",
        UserWarning, stacklevel=4,
    )  # fmt: skip
    filled = columns.copy()
    for column in columns.columns[columns.isna().any()]:
        is_number = columns[column].dtype.kind in "biuf"
        median = train[column].median() if is_number else 0.0
        values = columns[column] if is_number else columns[column].astype(object)
        filled[column] = values.fillna((0.0 if pd.isna(median) else median) if is_number else MISSING_WORD)
    return filled


def _split(name: str, inputs: Tensor, labels: Tensor) -> Split:
    """Return inputs as float32 and labels as int64 on the CPU. Raises ValueError for labels of another shape."""
    if not inputs.dim():
        raise ValueError(f"x_{name}: a single number was given; it must be (N, ...).")
    if labels.dim() != 1 or len(labels) != len(inputs):
        shapes = f"shape {tuple(labels.shape)} for {len(inputs)} examples"
        raise ValueError(f"y_{name}: labels of {shapes}; there must be one whole number for each example.")
    if labels.is_floating_point() and not torch.equal(labels, labels.long()):  # neither NaN nor infinity is an integer
        raise ValueError(f"y_{name}: a label is no whole number; labels are positions among the classes, from 0 on.")
    return Split(inputs.detach().cpu().float().contiguous(), labels.detach().cpu().long())


def _class_names(classes: Any) -> Sequence[str]:
    """Return the names of classes. Raises ValueError for what is no list of names."""
    try:
        return tuple(map(str, classes))
    except TypeError:
        raise ValueError(f"classes: a {type(classes).__name__} was given; it must be a list of names.") from None


def _check_pixels(argument: str, values: Any, channels: int) -> None:
    """Check the mean or standard deviation by channel, empty if it is not given. Raises ValueError."""
    try:
        numbers = [float(value) for value in values]
    except (TypeError, ValueError):
        raise ValueError(f"{argument} = {values!r}: it must be a list of numbers, one for each channel.") from None
    if len(numbers) not in {0, 1, channels}:
        counts = "1" if channels == 1 else f"1 or {channels}"
        raise ValueError(f"{argument}: {len(numbers)} numbers were given; it must have {counts}.")
    allowed = "above 0" if argument == "std" else "finite"
    if not all(math.isfinite(number) and (argument == "mean" or number > 0) for number in numbers):
        raise ValueError(f"{argument} = {values!r}: each number must be {allowed}.")


def _array(argument: str, value: Any) -> np.ndarray:
    """Return a value as an array. Raises ValueError for what is none, such as rows of different lengths."""
    try:
        return np.asarray(value.detach().cpu() if isinstance(value, Tensor) else value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{argument}: it cannot be made an array ({error}).") from error


def _check(x: str, inputs: Tensor, y: str, labels: Tensor, classes: int) -> None:
    """Check one split, whose arguments are called ``x`` and ``y``. Raises ValueError."""
    if not len(inputs) or inputs.dim() < 2:
        raise ValueError(
            f"{x}: a tensor of shape {tuple(inputs.shape)}; it must be (N, ...), with an example at least."
        )
    if inputs.dtype != torch.float32 or labels.dtype != torch.int64:
        raise ValueError(f"{x}: inputs must be float32 and labels int64; use kd.Data.from_tensors.")
    is_finite = inputs.flatten(1).isfinite().all(1)
    if not is_finite.all():
        count, first = int((~is_finite).sum()), int((~is_finite).nonzero()[0])
        raise ValueError(f"{x}: {count} of {len(inputs)} examples hold NaN or infinite values, the first at {first}.")
    wrong = (labels < 0) | (labels >= classes)
    if wrong.any():
        value = int(labels[wrong][0])
        raise ValueError(f"{y}: the label {value} is not one of 0 to {classes - 1}, for {classes} classes.")
    if classes < 2 or ("train" in y and int(labels.min()) == int(labels.max())):
        raise ValueError(f"{y}: all examples are of one class; there must be two at least.")


def _warn_of_copies(name: str, split: Split, train: Split) -> None:
    """Warn of examples that are in the training set as well."""
    rows = {row.tobytes() for row in train.inputs.numpy()}
    copies = sum(row.tobytes() in rows for row in split.inputs.numpy())
    if copies:
        text = f"x_{name}: {copies} of {len(split)} examples are in x_train as well; accuracies may be too high."
        warnings.warn(text, UserWarning, stacklevel=4)


def _held_out(train: Split, name: str) -> tuple[Split, Split]:
    """Return the rest of a training split, and a part of each class held out of it; copies stay together."""
    first = first_occurrences(train.inputs)
    is_first = first == torch.arange(len(first))
    present = torch.unique(train.labels)
    counts = train.labels[is_first].bincount(minlength=int(present.max()) + 1)[present]
    if (lacking := present[counts < 2]).numel():
        raise ValueError(
            f"x_{name}: it is not given, and cannot be held out of x_train, which has less than two distinct examples "
            f"of class {int(lacking[0])}."
        )
    rows = is_first.nonzero().flatten()
    _, out = hold_out(train.labels[rows], HELD_OUT, stream=f"python {name}")
    is_out = torch.zeros(len(first), dtype=torch.bool)
    is_out[rows[out]] = True
    is_out = is_out[first]
    order = torch.randperm(len(first), generator=generator(0, "python", name))
    rest, out = order[~is_out[order]], order[is_out[order]]
    return Split(train.inputs[rest], train.labels[rest]), Split(train.inputs[out], train.labels[out])


def _names_of(label: str, targets: Sequence[Any]) -> list[str]:
    """Return the names of the classes, as torchvision sorts folders. Raises ValueError for both words and numbers."""
    try:
        return sorted(map(str, sorted(set(targets))))
    except TypeError:
        raise ValueError(
            f"label = {label!r}: its values cannot be sorted; make them all words or all numbers."
        ) from None


def _positions(name: str, values: np.ndarray, classes: Sequence[str]) -> np.ndarray:
    """Return the position of each name among the classes. Raises ValueError for a name that is not among them."""
    places = {str(class_name): place for place, class_name in enumerate(classes)}
    texts = [str(value) for value in values.tolist()]
    if unknown := next((text for text in texts if text not in places), None):
        raise ValueError(f'{name}: "{unknown}" is not one of the classes {", ".join(map(str, classes))}.')
    return np.array([places[text] for text in texts], dtype=np.int64)


def _read(name: str, source: Any) -> tuple[Tensor, Tensor]:
    """Return all inputs and labels of a torch data set or loader. Raises ValueError."""
    inputs: list[Tensor] = []
    labels: list[Tensor] = []
    for item in _items(name, source):
        if not isinstance(item, tuple | list) or len(item) != 2:
            raise ValueError(f"{name}: an item is a {type(item).__name__}; it must be a pair (input, label).")
        x, y = item
        if not isinstance(x, Tensor | np.ndarray):
            raise ValueError(f"{name}: an input is a {type(x).__name__}; transform it into a tensor.")
        is_batch = isinstance(source, DataLoader)
        try:
            x, y = torch.as_tensor(x), torch.as_tensor(y)
        except (TypeError, ValueError, RuntimeError):
            raise ValueError(
                f"{name}: example {len(inputs)} has the label {y!r:.40}; both must be numbers, and a label is "
                "the position of a class."
            ) from None
        inputs.append(x if is_batch else x[None])
        labels.append(y if is_batch else y[None])
    if not inputs:
        raise ValueError(f"{name}: it has no examples.")
    if len(shapes := {tuple(x.shape[1:]) for x in inputs}) > 1:
        raise ValueError(f"{name}: its inputs have different shapes, {sorted(shapes)[0]} and {sorted(shapes)[1]}.")
    return torch.cat(inputs), torch.cat(labels)


def _items(name: str, source: Any) -> Iterator[Any]:
    """Yield the items of an iterable, or of a data set that has a length and items only. Raises ValueError."""
    if hasattr(source, "__iter__"):
        yield from source
    elif not hasattr(source, "__getitem__") or not hasattr(source, "__len__"):
        raise ValueError(f"{name}: a {type(source).__name__} was given; it must be a torch Dataset or DataLoader.")
    else:
        yield from (source[position] for position in range(len(source)))
