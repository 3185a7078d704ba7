"""Data sets with three fixed splits of inputs and labels, one file each.

What a student is trained on (few labels, label noise, a held-out class) is decided in
:mod:`kd_core.config.label_subset`, for every data set alike.
"""

from __future__ import annotations

import math
import threading
from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

import torch
from torch import Tensor

from kd_core.base.namespaces import class_names, plugin_class
from kd_core.base.paths import NotAvailableError
from kd_core.base.registry import Plugin
from kd_core.tasks import CHARACTERS, NUMBERS, Task
from kd_core.tasks.classification import Classification

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "Data",
    "Dataset",
    "NotAvailableError",
    "ProgressCallback",
    "Split",
    "forget",
    "is_loaded",
    "load",
    "standardise",
]


@dataclass(frozen=True)
class Split:
    """Examples of one split, ``inputs`` (N, ...) float32 and ``labels``, (N,) int64 or as the task says.

    Characters are whole numbers in float32, like every other input.
    """

    inputs: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Data:
    """Train, validation and test split of a data set with the names of its classes.

    Own data are read by :meth:`from_tensors`, :meth:`from_numpy`, :meth:`from_dataset` and :meth:`from_pandas`. These
    raise ValueError, with the name of the argument, for examples with NaN or infinite values, of different shapes or
    without labels, for labels outside 0..K-1, and for a single class. Where no validation or test set is given, 15 % of
    each class of the training set, or of all examples without classes, are held out for it; copies of one example stay
    in one split. They warn of examples of a given validation or test set that are in the training set as well.

    ``mean`` and ``std``, by channel, standardise pixels in [0, 1]: pixel = input * std + mean.
    ``fill`` is the fraction of an image's longer side that a written character takes; 0 where nothing is written.
    ``task`` says what the outputs and labels of an example are. Labels that are numbers are standardised with
    ``label_centre`` and ``label_scale`` by number, and ``true_labels`` (N, D) are those of the test split without their
    noise, where it is known.
    ``notes`` are sentences on what was found when the data were read, such as copies and files that were left out.
    """

    train: Split
    validation: Split
    test: Split
    classes: tuple[str, ...]
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    fill: float = 0.0
    notes: tuple[str, ...] = ()
    task: Task = field(default_factory=Classification)
    label_centre: tuple[float, ...] = ()
    label_scale: tuple[float, ...] = ()
    true_labels: Tensor | None = None

    @cached_property
    def has_label(self) -> Tensor:
        """Which training examples (N,) have a label, or some labels where an example has several."""
        labels = self.train.labels
        return self.task.is_labelled(labels).reshape(len(labels), -1).any(1)

    @property
    def splits(self) -> dict[str, Split]:
        """The three splits by name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one input, (2,) for points and (C, H, W) for standardised images."""
        return tuple(self.train.inputs.shape[1:])

    @property
    def nbytes(self) -> int:
        """Memory of all inputs in bytes."""
        return sum(split.inputs.nbytes for split in self.splits.values())

    @property
    def is_planar(self) -> bool:
        """Whether an example is two numbers, so that decision surfaces can be drawn."""
        return self.shape == (2,) and self.task.inputs == NUMBERS

    @property
    def noun(self) -> str:
        """Plural noun for the examples on screen."""
        if self.task.example_noun:
            return self.task.example_noun
        return "points" if self.is_planar else "images" if self.has_images else "examples"

    @property
    def has_answers(self) -> bool:
        """Whether every class is a yes or no of its own, so that an example may have any number of them."""
        return self.task.row_classes(self.classes) != tuple(self.classes)

    @property
    def has_images(self) -> bool:
        """Whether an example is an image (C, H, W)."""
        return len(self.shape) == 3

    @classmethod
    def from_tensors(  # noqa: PLR0917
        cls,
        x_train: Tensor,
        y_train: Tensor,
        x_val: Tensor | None = None,
        y_val: Tensor | None = None,
        x_test: Tensor | None = None,
        y_test: Tensor | None = None,
        classes: Sequence[str] = (),
        *,
        mean: Sequence[float] = (),
        std: Sequence[float] = (),
        task: str = "auto",
    ) -> Self:
        """Return own data, used exactly as they are given.

        Args:
            x_train: Training inputs (N, ...), which become float32. Networks of this package take vectors (N, D), and
                images (N, C, H, W).
            y_train: Their labels. Whole numbers (N,) from 0 on are classes, and other numbers (N,) or (N, D) are
                predicted as such (regression); 0 and 1 (N, L) are any number of L classes per example, or one class
                where every example has exactly one.
            x_val: Validation inputs.
            y_val: Their labels.
            x_test: Test inputs.
            y_test: Their labels.
            classes: Names of the classes, or of the numbers that are predicted; by default they are numbered.
            mean: By channel, what was subtracted from pixels in [0, 1] to standardise them. It serves to draw them; by
                default the smallest input is drawn black and the largest white.
            std: By channel, what they were divided by.
            task: What the labels are, where it is not what they look like: "classification", "multi_label" or
                "regression".
        """
        from kd_core.datasets import _python

        splits = {"train": (x_train, y_train), "val": (x_val, y_val), "test": (x_test, y_test)}
        return cls(**_python.from_arrays(splits, classes, mean, std, task=task))

    @classmethod
    def from_numpy(cls, *arrays: Any, classes: Sequence[str] = (), **more: Any) -> Self:
        """Return own data from arrays, otherwise like :meth:`from_tensors`.

        Labels may be the names of classes, and inputs texts, a string for each example.
        """
        from kd_core.datasets import _python

        return cls(**_python.from_numpy(arrays, more, classes))

    @classmethod
    def from_dataset(
        cls, train: Any, validation: Any = None, test: Any = None, classes: Sequence[str] = (), *, task: str = "auto"
    ) -> Self:
        """Return own data from a torch ``Dataset`` of (input, label), or a ``DataLoader`` of batches of them.

        All examples are read once, into memory. Random transforms are therefore drawn once; the options
        ``augmentation`` of a run draw anew at every step. The names of the classes are the attribute ``classes`` of the
        data set, if it has one. Labels and ``task`` are those of :meth:`from_tensors`.
        """
        from kd_core.datasets import _python

        return cls(**_python.from_datasets({"train": train, "validation": validation, "test": test}, classes, task))

    @classmethod
    def from_pandas(
        cls,
        train: pd.DataFrame,
        validation: pd.DataFrame | None = None,
        test: pd.DataFrame | None = None,
        *,
        label: str | Sequence[str],
        classes: Sequence[str] = (),
        task: str = "auto",
    ) -> Self:
        """Return own data from the rows of a frame, with what is learned in the column ``label``, or in several.

        Words are classes, several of them where "|", ";" or "," separates them, and so are few whole numbers; many
        numbers are predicted as such. Several label columns of 0 and 1 are classes of which an example has any number,
        and several others numbers. A single other column with texts makes these the inputs.

        Columns of numbers are standardised with mean and standard deviation of the training set; columns of words
        become one column per word. Missing numbers become the median of ``train``, missing words a word of their own,
        with a warning; a missing label raises ValueError. Classes are sorted as text, as folders of images are.
        """
        from kd_core.datasets import _python_frames

        frames = {"train": train, "validation": validation, "test": test}
        return cls(**_python_frames.from_frames(frames, label, classes, task))

    def pixels(self, inputs: Tensor) -> Tensor:
        """Return standardised images (N, C, H, W) as bytes, 0 black and 255 white.

        Other inputs become images of one row, and images without one or three channels grey ones.
        """
        if not self.has_images:
            inputs = inputs.flatten(1)[:, None, None]
        elif inputs.shape[1] not in (1, 3):
            inputs = inputs.mean(1, keepdim=True)
        mean, std = (torch.tensor(values).to(inputs).reshape(-1, 1, 1) for values in (self.mean, self.std))
        return ((inputs * std + mean) * 255).round().clamp(0, 255).to(torch.uint8)


def standardise(pixels: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Return images (N, C, H, W) of bytes as float32 inputs, with ``mean`` and ``std`` by channel of [0, 1] pixels."""
    inputs = pixels.float().div_(255)
    return inputs.sub_(torch.tensor(mean).reshape(-1, 1, 1)).div_(torch.tensor(std).reshape(-1, 1, 1))


ProgressCallback = Callable[[str, int, int], None]  # name of the file, bytes so far, bytes in all


class Dataset(Plugin):
    """Base class of data sets."""

    source: ClassVar[str] = ""  # where the data come from
    licence: ClassVar[str] = ""  # in a few words
    is_uploaded: ClassVar[bool] = False  # whether its option ``id`` names an upload
    recommended: ClassVar[Mapping[str, str]] = {}  # flat settings that show an effect of distillation

    @property
    def task(self) -> Task:
        """The task of :meth:`load`'s data, known before they are loaded."""
        return Classification()

    def recommended_settings(self) -> Mapping[str, str]:
        """Return :attr:`recommended`, unless the options change it."""
        return self.recommended

    @abstractmethod
    def load(self) -> Data:
        """Return the three splits, the same ones at every call.

        Raises:
            NotAvailableError: The data are not on this machine.
            ValueError: The files are damaged.
        """

    def code(self) -> str:
        """Return the function ``load_data`` of a script of plain PyTorch, where :meth:`load` reads files of this app.

        Its names are those of the module that defines the data set. Empty: the script is written from :meth:`load`.
        """
        return ""

    def columns(self, data: Data) -> Sequence[Mapping[str, Any]]:
        """Return how the cells of a row of a table become an input of :attr:`Data.shape`, one mapping per column.

        A column of numbers has a ``name``, and ``mean`` and ``std`` that standardise it; a column of words has a
        ``name`` and its ``words``, each of which is an input of 0 or 1. ``missing`` stands for an empty cell. A column
        of texts has a ``name`` and the number of ``characters`` of each, which are inputs as code points.
        """
        if data.task.inputs == CHARACTERS and not data.task.can_write:
            return [{"name": "text", "characters": data.shape[0]}]
        names = ("x", "y") if data.is_planar else [f"x{place}" for place in range(1, math.prod(data.shape) + 1)]
        return [{"name": name, "mean": 0.0, "std": 1.0} for name in names]

    @property
    def download_size(self) -> int:
        """Bytes to be downloaded before the first use; 0 if none are."""
        return 0

    @property
    def loaded_bytes(self) -> int:
        """Estimate of :attr:`Data.nbytes` without loading; at 0, a small amount. By default ten times the download."""
        return 10 * self.download_size

    def is_available(self) -> bool:
        """Return whether :meth:`load` finds all that it needs on this machine."""
        return True

    def download(self, report: ProgressCallback) -> None:
        """Download what is missing, and report progress.

        Raises ValueError with a sentence where that fails; what has arrived is kept and not downloaded again.
        """


CACHE_BYTES = 2_000_000_000
_cache: OrderedDict[Dataset, Data] = OrderedDict()  # the latest use at the end
_loading, _cache_lock = threading.Lock(), threading.Lock()


def load(dataset: Dataset) -> Data:
    """Return :meth:`Dataset.load`, cached up to :data:`CACHE_BYTES`. Callers must not write into the tensors."""
    with _cache_lock:
        if (data := _cache.get(dataset)) is not None:
            _cache.move_to_end(dataset)
            return data
    with _loading, torch.device("cpu"):  # the caller may be counting parameters on the meta device
        with _cache_lock:
            data = _cache.get(dataset)  # another thread may have loaded it meanwhile
        data = data or dataset.load()
    with _cache_lock:
        _cache[dataset] = data
        _cache.move_to_end(dataset)
        while len(_cache) > 1 and sum(data.nbytes for data in _cache.values()) > CACHE_BYTES:
            _cache.popitem(last=False)
    return data


def is_loaded(dataset: Dataset) -> bool:
    """Return whether :func:`load` has a data set in its cache."""
    with _cache_lock:
        return dataset in _cache


def forget(dataset: Dataset) -> None:
    """Drop a data set from the cache after its files have changed."""
    with _cache_lock:
        _cache.pop(dataset, None)


def __getattr__(name: str) -> Any:
    return plugin_class("datasets", name)


def __dir__() -> list[str]:
    return [*globals(), *class_names("datasets")]
