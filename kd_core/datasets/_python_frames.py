"""Data given from Python as data frames."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from kd_core.datasets import Split
from kd_core.datasets._python import NAMES, Pair, Parts, from_arrays, positions, text_inputs
from kd_core.datasets._splits import range_to_pixels
from kd_core.files.uploads.columns import Profile, is_text, may_be_codes, separator_of
from kd_core.files.uploads.table_dataset import MISSING_WORD

if TYPE_CHECKING:
    import pandas as pd


def from_frames(
    frames: Mapping[str, pd.DataFrame | None], label: str | Sequence[str], classes: Sequence[str], task: str
) -> Parts:
    """Return the arguments of :class:`Data` from data frames. Raises ValueError."""
    import pandas as pd

    labels = list(label) if isinstance(label, list | tuple) else [label]
    tables = {name: frame for name, frame in frames.items() if frame is not None}
    for name, frame in tables.items():
        if not isinstance(frame, pd.DataFrame):
            raise ValueError(f"{name}: a {type(frame).__name__} was given; it must be a pandas DataFrame.")
        if twice := [str(column) for column in frame.columns[frame.columns.duplicated()]]:
            raise ValueError(f"{name}: it has several columns {twice[0]}; rename or drop them.")
        if lacking := [column for column in labels if column not in frame.columns]:
            raise ValueError(
                f"label: {name} has no column {lacking[0]!r}; it has {', '.join(map(str, frame.columns))}."
            )
        if empty := [column for column in labels if frame[column].isna().any()]:
            raise ValueError(f"{name}: the column {empty[0]} has missing values; drop the rows without a label.")
        if differing := sorted(map(str, set(frame.columns) ^ set(frames["train"].columns))):  # type: ignore[union-attr]
            raise ValueError(f"{name}: its columns are not those of train; they differ in {', '.join(differing)}.")
        if frame.shape[1] <= len(labels):
            raise ValueError(f"{name}: it has no column but the label {label!r}.")
    targets, names = _targets(pd.concat([frame[labels] for frame in tables.values()]), classes, task)
    # Together, so that all have the same columns, also for words that one of them lacks.
    columns = pd.concat([frame.drop(columns=labels) for frame in tables.values()])
    counts = [len(frame) for frame in tables.values()]
    first = columns.iloc[:, 0]
    has_texts = columns.shape[1] == 1 and bool(first.dropna().map(type).eq(str).all()) and is_text(_profile(first))
    notes: list[str] = []
    if has_texts:
        texts, notes = text_inputs({str(first.name): first.fillna("").to_numpy(object)})
        (values,) = texts.values()
    else:
        table = _table(_filled(columns, frames["train"]))
        values = torch.from_numpy(table.to_numpy(np.float64, copy=True))  # the frame may be read-only
    splits: dict[str, Pair] = {"val": (None, None), "test": (None, None)}
    for name, *pair in zip(tables, torch.split(values, counts), torch.split(targets, counts), strict=True):
        splits[NAMES[name]] = (pair[0], pair[1])
    parts = from_arrays(splits, names, task=task, is_text=has_texts)
    if has_texts:
        return parts | {"notes": tuple(notes)}
    train = parts["train"].inputs.double()
    is_number = torch.tensor([not isinstance(column, str) or column in frames["train"] for column in table.columns])  # type: ignore[operator]
    std, mean = torch.std_mean(train, 0, correction=0)
    mean, std = torch.where(is_number, mean, 0.0), torch.where(is_number & (std > 0), std, 1.0)
    for name in ("train", "validation", "test"):
        parts[name] = Split(((parts[name].inputs.double() - mean) / std).float(), parts[name].labels)
    parts["mean"], parts["std"] = range_to_pixels(parts["train"].inputs)
    return parts


def _targets(columns: pd.DataFrame, classes: Sequence[str], task: str) -> tuple[Tensor, Sequence[str]]:
    """Return the labels (N,) or (N, L) of the label columns, and the names of their classes. Raises ValueError.

    As in an upload, a column of words with separators in them holds several classes, and one of many numbers numbers
    that are predicted.
    """
    if columns.shape[1] > 1:
        if others := [str(column) for column in columns if columns[column].dtype.kind not in "biuf"]:
            raise ValueError(f"label: the column {others[0]} does not hold numbers, as several label columns must.")
        return torch.from_numpy(columns.to_numpy(copy=True) * 1), classes or list(map(str, columns))
    label, values = str(columns.columns[0]), columns.iloc[:, 0]
    if values.dtype.kind in "iuf" and task != "classification":
        is_code = bool((values == values.round()).all()) and may_be_codes(values.nunique(), len(values))
        if task == "regression" or not is_code:
            return torch.from_numpy(values.to_numpy(np.float64, copy=True))[:, None], classes or [label]
    has_words = values.dtype.kind not in "biuf"
    if has_words and task in ("auto", "multi_label") and (separator := separator_of(_profile(values))):
        rows = [{part.strip() for part in str(value).split(separator)} for value in values]
        names = [str(name) for name in classes] or sorted(set().union(*rows))
        return torch.tensor([[int(name in row) for name in names] for row in rows]), names
    names = [str(name) for name in classes] or _names_of(label, values.tolist())
    return torch.from_numpy(positions(f"label = {label!r}", values.to_numpy(), names)), names


def _profile(values: pd.Series) -> Profile:
    """Return the profile of a column, as of a table that is uploaded."""
    profile = Profile(str(values.name))
    profile.add(["" if value is None else str(value) for value in values])
    return profile


def _table(columns: pd.DataFrame) -> pd.DataFrame:
    """Return columns of numbers, one for each word of a column of words. Raises ValueError for other columns."""
    import pandas as pd

    try:
        table = pd.get_dummies(columns)
    except TypeError:
        table = columns  # lists and the like, which are refused below
    if others := [str(column) for column in table.columns if table[column].dtype.kind not in "biuf"]:
        raise ValueError(f"train: the column {others[0]} holds neither numbers nor words; drop or convert it.")
    return table


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


def _names_of(label: str, targets: Sequence[Any]) -> list[str]:
    """Return the names of the classes, as torchvision sorts folders. Raises ValueError for both words and numbers."""
    try:
        return sorted(map(str, sorted(set(targets))))
    except TypeError:
        raise ValueError(
            f"label = {label!r}: its values cannot be sorted; make them all words or all numbers."
        ) from None
