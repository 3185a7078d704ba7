"""Data given from Python, as tensors, arrays, torch data sets and data frames."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from kd_core.base.registry import make, register, registered
from kd_core.base.seeds import generator
from kd_core.datasets import Data, Dataset, NotAvailableError, Split, _python_labels
from kd_core.datasets._splits import hold_out, range_to_pixels
from kd_core.datasets.upload import recommended_settings
from kd_core.files import descriptions
from kd_core.files.text import to_inputs
from kd_core.files.uploads.splits import first_occurrences
from kd_core.tasks import CHARACTERS, Task
from kd_core.tasks.classification import Classification
from kd_core.tasks.regression import Regression

HELD_OUT = 0.15  # of each class, for a validation or test set that is not given
MAX_STORED = 1_000_000_000  # bytes of inputs that are stored with a run
FEWEST = 15  # distinct examples without classes, to hold a set out of them
ORDER = ("x_train", "y_train", "x_val", "y_val", "x_test", "y_test")
NAMES = {"train": "train", "validation": "val", "test": "test"}
LABEL_KINDS = ((torch.float32, torch.int64), (torch.float32, torch.float32))  # of inputs and labels
Pair = tuple[Any, Any]  # inputs and labels
Parts = dict[str, Any]  # arguments of Data


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
    given_task: ClassVar[Task] = Classification()

    @property
    def task(self) -> Task:
        return self.given_task

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
        scale: dict[str, Any] = {name: tuple(values[name]) for name in ("classes", "mean", "std")}
        scale |= {name: tuple(values.get(name, ())) for name in ("label_centre", "label_scale", "notes")}
        true_labels = state.tensors.get("true_labels")
        return Data(train, validation, test, task=self.task, true_labels=true_labels, **scale)

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
        argument = f"dataset.{name}"
        _check_inputs(f"{argument}.inputs", split.inputs)
        kinds = (split.inputs.dtype, split.labels.dtype)
        if kinds not in LABEL_KINDS or len(split.labels) != len(split.inputs):
            raise ValueError(f"{argument}: inputs must be float32 and labels int64; use kd.Data.from_tensors.")
        _python_labels.check(f"{argument}.labels", split.labels, len(data.classes), data.task)
    structure = repr((data.shape, data.classes, [len(split) for split in data.splits.values()]))
    tensors = [tensor for split in data.splits.values() for tensor in (split.inputs, split.labels)]
    scale: tuple[Any, ...] = (data.mean, data.std, data.fill)
    if data.task != Classification():  # other keys are those of earlier versions
        scale += (data.task.to_dict(), data.label_centre, data.label_scale)
    key = descriptions.make_key("data", structure, [*tensors, repr(scale)])
    cls = registered("datasets", key)
    if cls is None or cls.data is None:  # type: ignore[attr-defined]
        cls = _dataset_class(data, data.task)
        register("datasets", key, cls)
    dataset = cls()
    assert isinstance(dataset, Dataset)
    return dataset


def described(key: str) -> type[Dataset] | None:
    """Return the class of data that were given to another process; None if no data folder describes them."""
    state = descriptions.read(key)
    if state is None:
        return None
    return _dataset_class(None, make("tasks", state.values.get("task", Classification().to_dict())))


def store(dataset: PythonDataset, folder: Path) -> None:
    """Store the data in a data folder, unless they are larger than :data:`MAX_STORED`. Raises OSError."""
    data = dataset.data
    if data is None:
        return
    tensors = {f"{name}/inputs": split.inputs for name, split in data.splits.items()}
    tensors |= {f"{name}/labels": split.labels for name, split in data.splits.items()}
    if data.true_labels is not None:
        tensors["true_labels"] = data.true_labels
    names = ("classes", "mean", "std", "label_centre", "label_scale", "notes")
    values = {name: list(getattr(data, name)) for name in names} | {"task": data.task.to_dict()}
    descriptions.write(folder, dataset.name, values, tensors if data.nbytes <= MAX_STORED else {})


def _dataset_class(data: Data | None, task: Task) -> type[Dataset]:
    is_image = data is not None and data.has_images and data.shape[0] in (1, 3) and min(data.shape[1:]) >= 16
    is_text = task.inputs == CHARACTERS
    recommended = recommended_settings(is_text=is_text, is_image=is_image, is_number=isinstance(task, Regression))
    body: dict[str, Any] = {"__doc__": "Given data.", "__module__": __name__}
    body |= {"data": data, "given_task": task, "recommended": recommended}
    return dataclass(frozen=True)(type("PythonDataset", (PythonDataset,), body))


def from_arrays(
    splits: Mapping[str, Pair],
    classes: Sequence[str],
    mean: Sequence[float] = (),
    std: Sequence[float] = (),
    *,
    task: str = "auto",
    is_text: bool = False,
) -> Parts:
    """Return the arguments of :class:`Data` from inputs and labels by "train", "val" and "test". Raises ValueError."""
    tensors = {
        name: (_tensor(f"x_{name}", inputs).float().contiguous(), _tensor(f"y_{name}", labels))
        for name, (inputs, labels) in splits.items()
        if name == "train" or inputs is not None or labels is not None
    }
    for name, (inputs, labels) in tensors.items():
        if not inputs.dim():
            raise ValueError(f"x_{name}: a single number was given; it must be (N, ...).")
        if not labels.dim() or len(labels) != len(inputs):
            shapes = f"shape {tuple(labels.shape)} for {len(inputs)} examples"
            raise ValueError(f"y_{name}: labels of {shapes}; there must be {_python_labels.WANTED}.")
        _check_inputs(f"x_{name}", inputs)
        if inputs.shape[1:] != tensors["train"][0].shape[1:]:
            shapes = f"{tuple(inputs.shape[1:])}, and those of x_train are {tuple(tensors['train'][0].shape[1:])}"
            raise ValueError(f"x_{name}: its examples have the shape {shapes}.")
    is_table = tensors["train"][0].dim() == 2 and not is_text
    classes = _class_names(classes)
    made, names, targets = _python_labels.understand(
        {name: labels for name, (_, labels) in tensors.items()}, classes, task, is_table=is_table, is_text=is_text
    )
    if len(set(names)) < len(names):
        raise ValueError(f"classes: a name occurs twice among {', '.join(names)}.")
    checked = {name: Split(inputs, targets[name]) for name, (inputs, _) in tensors.items()}
    train = checked["train"]
    for name, split in checked.items():
        _python_labels.check(f"y_{name}", split.labels, len(names), made)
    for name in checked.keys() - {"train"}:
        _warn_of_copies(name, checked[name], train)
    for name in ("val", "test"):
        if name not in checked:
            checked["train"], checked[name] = _held_out(checked["train"], name, by_class=made.has_class_per_example)
    is_drawn_in_colour = train.inputs.dim() == 4 and train.inputs.shape[1] == 3
    for argument, values in (("mean", mean), ("std", std)):
        _check_pixels(argument, values, channels=3 if is_drawn_in_colour else 1)
    if not (len(mean) and len(std)):
        mean, std = ((0.0,), (1.0,)) if is_text else range_to_pixels(train.inputs)
    parts: Parts = {"mean": tuple(map(float, mean)), "std": tuple(map(float, std)), "classes": names, "task": made}
    if isinstance(made, Regression):
        scale, centre = torch.std_mean(checked["train"].labels, 0, correction=0)
        scale = torch.where(scale > 0, scale, 1.0)
        checked = {name: Split(one.inputs, ((one.labels - centre) / scale).float()) for name, one in checked.items()}
        parts |= {"label_centre": tuple(centre.tolist()), "label_scale": tuple(scale.tolist())}
    return parts | {"train": checked["train"], "validation": checked["val"], "test": checked["test"]}


def from_numpy(arrays: Sequence[Any], more: Mapping[str, Any], classes: Sequence[str]) -> Parts:
    """Return the arguments of :class:`Data` from those of :meth:`Data.from_numpy`. Raises ValueError."""
    if len(arrays) > len(ORDER):
        raise ValueError(f"{len(arrays)} arrays were given; there can be six: {', '.join(ORDER)}.")
    options = {name: value for name, value in more.items() if name not in ORDER}
    arguments = dict(zip(ORDER, arrays, strict=False)) | {name: more[name] for name in ORDER if name in more}
    values = {name: _array(name, value) for name, value in arguments.items() if value is not None}
    labels = {name: value for name, value in values.items() if name[:2] == "y_"}
    if any(value.dtype.kind in "OUS" for value in labels.values()):
        classes = _class_names(classes) or sorted({str(name) for value in labels.values() for name in value.flat})
        values |= {name: positions(name, value, classes) for name, value in labels.items()}
    texts = {name: value for name, value in values.items() if name[:2] == "x_" and value.dtype.kind in "OUS"}
    tensors: dict[str, Tensor] = {name: _numbers(name, value) for name, value in values.items() if name not in texts}
    notes: list[str] = []
    if texts:
        if others := [name for name in tensors if name[:2] == "x_"]:
            raise ValueError(f"{others[0]}: numbers were given, and {next(iter(texts))} holds texts.")
        inputs, notes = text_inputs(texts)
        tensors |= inputs
    splits = {name: (tensors.get(f"x_{name}"), tensors.get(f"y_{name}")) for name in NAMES.values()}
    return from_arrays(splits, classes, is_text=bool(texts), **options) | {"notes": tuple(notes)}


def text_inputs(texts: Mapping[str, np.ndarray]) -> tuple[dict[str, Tensor], list[str]]:
    """Return texts (N,) by argument as code points (N, L) of one length, and notes. Raises ValueError."""
    for name, value in texts.items():
        if value.ndim != 1 or not all(isinstance(one, str) for one in value.tolist()):
            raise ValueError(f"{name}: an array of {value.dtype} was given; it must hold numbers or texts.")
        if count := sum(not one.strip() for one in value.tolist()):
            raise ValueError(f"{name}: {count} of {len(value)} texts are empty.")
    lengths = [len(value) for value in texts.values()]
    if not sum(lengths):
        raise ValueError(f"{next(iter(texts))}: there is no text.")
    inputs, notes = to_inputs([text for value in texts.values() for text in value.tolist()])
    return dict(zip(texts, torch.split(inputs, lengths), strict=True)), notes


def from_datasets(sources: Mapping[str, Any], classes: Sequence[str], task: str) -> Parts:
    """Return the arguments of :class:`Data` from torch data sets or loaders of examples. Raises ValueError."""
    splits: dict[str, Pair] = {}
    for name, source in sources.items():
        splits[NAMES[name]] = (None, None) if source is None else _read(name, source)
    original = getattr(sources["train"], "dataset", sources["train"])
    return from_arrays(splits, classes or tuple(getattr(original, "classes", ())), task=task)


def _tensor(argument: str, value: Any) -> Tensor:
    """Return a tensor on the CPU, detached. Raises ValueError for what is none, and for one of another kind."""
    if not isinstance(value, Tensor):
        kind = "nothing" if value is None else f"a {type(value).__name__}"
        raise ValueError(f"{argument}: {kind} was given; it must be a torch tensor.")
    is_plain = value.layout == torch.strided and not value.is_quantized and not value.is_meta
    if not is_plain or value.is_complex():
        kind = f"a tensor of {value.dtype} ({value.layout}, {value.device})"
        raise ValueError(f"{argument}: {kind} was given; it must be dense and hold real numbers.")
    return value.detach().cpu()


def _numbers(argument: str, array: np.ndarray) -> Tensor:
    """Return an array of numbers as a tensor. Raises ValueError for one of another kind."""
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{argument}: an array of {array.dtype} was given; it must hold numbers.")
    # torch knows neither long doubles nor foreign byte orders, and warns of arrays that are read-only.
    kind = np.float64 if array.dtype.kind == "f" and array.itemsize > 8 else array.dtype.newbyteorder("=")
    return torch.from_numpy(np.array(array, dtype=kind))


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


def _check_inputs(x: str, inputs: Tensor) -> None:
    """Check the inputs of one split, whose argument is called ``x``. Raises ValueError."""
    if not len(inputs) or inputs.dim() < 2:
        raise ValueError(
            f"{x}: a tensor of shape {tuple(inputs.shape)}; it must be (N, ...), with an example at least."
        )
    is_finite = inputs.flatten(1).isfinite().all(1)
    if not is_finite.all():
        count, first = int((~is_finite).sum()), int((~is_finite).nonzero()[0])
        raise ValueError(f"{x}: {count} of {len(inputs)} examples hold NaN or infinite values, the first at {first}.")


def _warn_of_copies(name: str, split: Split, train: Split) -> None:
    """Warn of examples that are in the training set as well."""
    rows = {row.tobytes() for row in train.inputs.numpy()}
    copies = sum(row.tobytes() in rows for row in split.inputs.numpy())
    if copies:
        text = f"x_{name}: {copies} of {len(split)} examples are in x_train as well; accuracies may be too high."
        warnings.warn(text, UserWarning, stacklevel=4)


def _held_out(train: Split, name: str, *, by_class: bool) -> tuple[Split, Split]:
    """Return the rest of a training split, and a part of it, or of each class, held out; copies stay together."""
    first = first_occurrences(train.inputs)
    is_first = first == torch.arange(len(first))
    strata = train.labels if by_class else torch.zeros_like(first)
    present = torch.unique(strata)
    counts = strata[is_first].bincount(minlength=int(present.max()) + 1)[present]
    fewest = 2 if by_class else FEWEST
    if (lacking := present[counts < fewest]).numel():
        where = f" of class {int(lacking[0])}" if by_class else ""
        raise ValueError(
            f"x_{name}: it is not given, and cannot be held out of x_train, which has less than "
            f"{'two' if by_class else FEWEST} distinct examples{where}."
        )
    rows = is_first.nonzero().flatten()
    _, out = hold_out(strata[rows], HELD_OUT, stream=f"python {name}")
    is_out = torch.zeros(len(first), dtype=torch.bool)
    is_out[rows[out]] = True
    is_out = is_out[first]
    order = torch.randperm(len(first), generator=generator(0, "python", name))
    rest, out = order[~is_out[order]], order[is_out[order]]
    return Split(train.inputs[rest], train.labels[rest]), Split(train.inputs[out], train.labels[out])


def positions(name: str, values: np.ndarray, classes: Sequence[str]) -> np.ndarray:
    """Return the position of each name (N,) among the classes. Raises ValueError for a name that is not among them."""
    places = {str(class_name): place for place, class_name in enumerate(classes)}
    if values.ndim != 1:
        raise ValueError(f"{name}: names of shape {values.shape}; give one for each example, or 0 and 1.")
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
