"""Tables of logits from files of four formats."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kd_core.files.limits import RefusedError
from kd_core.files.teachers.logits import read

LOGITS = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
NAMES = ("cat", "dog", "owl")


def npy(array: Any) -> bytes:
    np.save(file := io.BytesIO(), array)
    return file.getvalue()


def npz(**arrays: Any) -> bytes:
    np.savez(file := io.BytesIO(), **arrays)
    return file.getvalue()


def csv(rows: Any, header: str = "") -> bytes:
    lines = [",".join(f"{value:.9g}" for value in row) for row in rows]
    return "\n".join([*([header] if header else []), *lines]).encode()


def parquet() -> bytes:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    return pandas.DataFrame(LOGITS, columns=NAMES).to_parquet()


@pytest.mark.parametrize(
    ("name", "make", "classes"),
    [
        ("a.npy", lambda: npy(LOGITS), ()),
        ("a.npy", lambda: npy(LOGITS.astype(np.float64)), ()),
        ("a.npz", lambda: npz(train=LOGITS, classes=np.array(NAMES)), NAMES),
        ("a.npz", lambda: npz(arr_0=LOGITS), ()),
        ("a.csv", lambda: csv(LOGITS), ()),
        ("a.csv", lambda: csv(LOGITS, "cat,dog,owl"), NAMES),
        ("a.parquet", parquet, NAMES),
    ],
)
def test_the_numbers_and_the_names_of_the_columns_are_read(name: str, make: Any, classes: tuple[str, ...]) -> None:
    file = read(name, make())
    assert np.allclose(file.logits["train"].numpy(), LOGITS, atol=1e-7)
    assert file.classes == classes


def with_nan() -> np.ndarray:
    array = LOGITS.copy()
    array[4, 1] = np.nan
    return array


class Call:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, Any]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize(
    ("name", "blob", "sentence"),
    [
        ("a.npy", npy(with_nan()), "row 5 of the train examples holds NaN"),
        ("a.csv", csv(with_nan()), "row 5 of the train examples holds NaN"),
        ("a.npy", npy(LOGITS[0]), "have the shape"),
        ("a.npy", npy(LOGITS)[:-4], "header and its length differ"),
        ("a.npy", npy(LOGITS).replace(b"(6, 3)", b"(9, 9)"), "header and its length differ"),
        ("a.npy", b"\x93NUMPY" + b"\0" * 40, "no array of numbers"),
        ("a.npz", npz(test=LOGITS), 'lacks the array "train"'),
        ("a.npz", npz(train=LOGITS, other=LOGITS), "name its arrays"),
        ("a.npz", npz(train=LOGITS)[:-30], "damaged"),
        ("a.csv", b"1,2\n3\n", "rows have 1, 2 columns"),
        ("a.csv", b"1,2\n3,x\n", 'row 2 holds "x"'),
        ("a.csv", b"\xff\xfe\x00", "no table in UTF-8"),
        ("a.parquet", b"PAR1 and no more", "damaged"),
    ],
)
def test_bad_files_are_refused_in_a_sentence(name: str, blob: bytes, sentence: str) -> None:
    with pytest.raises(RefusedError, match=sentence) as refusal:
        read(name, blob)
    assert str(refusal.value).endswith(".")


def test_an_array_of_objects_is_refused_and_its_pickle_is_not_run(tmp_path: Path) -> None:
    objects = np.empty((1, 1), dtype=object)
    objects[0, 0] = Call(tmp_path / "left behind")
    for blob in (npy(objects), npz(train=objects)):
        with pytest.raises(RefusedError, match="objects"):
            read("a.npy", blob)
    assert list(tmp_path.iterdir()) == []
