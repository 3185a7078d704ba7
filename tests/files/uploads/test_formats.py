"""Tests of the formats of tables and arrays, which all hold the same flowers."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.datasets import load_iris

from kd_core.datasets import load
from kd_core.datasets.upload import Uploaded
from kd_core.files import uploads
from kd_core.files.uploads import table_formats
from tests.files.uploads.conftest import noise, packed, written

Refuse = Callable[..., str]
IRIS = load_iris(as_frame=True)
FLOWERS = IRIS.data.assign(species=[IRIS.target_names[number] for number in IRIS.target])


def excel() -> bytes:
    pytest.importorskip("openpyxl")
    return written(lambda file: FLOWERS.to_excel(file, index=False))


FORMATS: dict[str, Callable[[], bytes]] = {
    "CSV": lambda: FLOWERS.to_csv(index=False).encode(),
    "CSV with an index": lambda: FLOWERS.to_csv().encode(),
    "CSV without a header": lambda: FLOWERS.to_csv(index=False, header=False).encode(),
    "CSV with decimal commas": lambda: FLOWERS.to_csv(index=False, sep=";", decimal=",").encode(),
    "TSV": lambda: FLOWERS.to_csv(index=False, sep="\t").encode(),
    "CSV in a ZIP": lambda: packed({"data/flowers.csv": FLOWERS.to_csv(index=False).encode(), "data/README.md": b""}),
    "JSON lines": lambda: FLOWERS.to_json(orient="records", lines=True).encode(),
    "JSON": lambda: FLOWERS.to_json(orient="records").encode(),
    "Parquet": lambda: written(FLOWERS.to_parquet),
    "Feather": lambda: written(FLOWERS.to_feather),
    "Excel": excel,
    "records of NumPy": lambda: written(
        lambda file: np.save(file, FLOWERS.astype({"species": "S10"}).to_records(index=False).astype(
            [(name, "f8") for name in IRIS.data] + [("species", "U10")]
        ))
    ),
    "NumPy archive": lambda: written(lambda file: np.savez(file, x=IRIS.data, y=FLOWERS["species"].to_numpy("U10"))),
}  # fmt: skip


@pytest.mark.parametrize("make", FORMATS.values(), ids=FORMATS)
def test_every_format_gives_the_same_flowers(home: Path, make: Callable[[], bytes]) -> None:
    upload = uploads.add("flowers", make())
    assert (upload.kind, upload.counts) == ("table", (50, 50, 50))
    assert upload.classes == ("setosa", "versicolor", "virginica")
    inputs, labels, _ = uploads.read(upload.id)
    torch.testing.assert_close(inputs, torch.tensor(IRIS.data.to_numpy()).float())
    assert labels.tolist() == IRIS.target.tolist()


@pytest.mark.parametrize(
    "make",
    [
        lambda file: np.save(file, IRIS.frame.to_numpy()),
        lambda file: np.savetxt(file, IRIS.frame.to_numpy()),
        lambda file: np.savez(file, X=IRIS.data, target=IRIS.target),
    ],
)
def test_classes_that_are_whole_numbers_are_written_as_such(home: Path, make: Callable[[io.BytesIO], None]) -> None:
    upload = uploads.add("flowers", written(make))
    assert upload.classes == ("0", "1", "2")
    assert uploads.read(upload.id)[1].tolist() == IRIS.target.tolist()


@pytest.mark.parametrize("scale", [1, 1 / 255])
def test_arrays_of_images_keep_their_splits(home: Path, scale: float) -> None:
    x, y = noise(60, 12, 12, 3), np.arange(60) % 3
    images = x if scale == 1 else x * scale
    parts = {"x_train": images[:40], "y_train": y[:40], "test_images": images[40:], "test_labels": y[40:, None]}
    understood = uploads.inspect("arrays.npz", written(lambda file: np.savez_compressed(file, **parts)))
    assert (understood.kind, understood.given_splits) == ("images", ("train", "test"))
    upload = uploads.keep(understood)
    inputs, labels, splits = uploads.read(upload.id)
    assert torch.equal(inputs, torch.from_numpy(x).permute(0, 3, 1, 2))
    assert labels.tolist() == y.tolist()
    assert splits is not None
    assert (splits == 2).nonzero().flatten().tolist() == [*range(40, 60)]
    assert [int((splits == number).sum()) for number in range(3)] == [34, 6, 20]


def test_images_of_arrays_that_are_no_squares_are_cut_and_resized(home: Path) -> None:
    x = np.repeat(noise(12, 1, 1), 20, axis=1).repeat(30, axis=2)  # each of one grey
    blob = written(lambda file: np.savez(file, data=x, label=np.arange(12) % 2))
    upload = uploads.add("arrays.npz", blob, pixels=16)
    inputs, _, _ = uploads.read(upload.id)
    assert inputs.shape == (12, 1, 16, 16)
    assert torch.equal(inputs[:, 0, 5, 5], torch.from_numpy(x[:, 0, 0]))


def npz(**arrays: np.ndarray) -> bytes:
    return written(lambda file: np.savez(file, allow_pickle=True, **arrays))


class Trap:
    """Object whose pickle creates a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.path,)


def test_arrays_of_python_objects_are_refused_and_never_loaded(refusal: Refuse, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    objects = np.array([Trap(trace)] * 9, dtype=object)
    for blob in (written(lambda file: np.save(file, objects, allow_pickle=True)), npz(x=objects, y=np.arange(9))):
        assert "Python objects, which can run any program" in refusal(blob, "objects.npz")
    assert not trace.exists()


HEADER = b"\x93NUMPY\x01\x00"


def npy_of(header: str, content: bytes = b"") -> bytes:
    return HEADER + len(header).to_bytes(2, "little") + header.encode() + content


ENORMOUS = "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000, 1000000), }\n"
REFUSED = {
    "an array that states more than it holds": (npy_of(ENORMOUS), "damaged or incomplete"),
    "a header that is no dictionary": (npy_of("__import__('os').getcwd()\n"), "damaged or incomplete"),
    "an array without labels": (written(lambda file: np.save(file, noise(9, 8, 8))), "no labels"),
    "arrays without known names": (npz(foo=np.ones(3), bar=np.ones(3)), '"foo", "bar": call the arrays x and y'),
    "inputs without labels": (npz(x=np.ones((3, 2))), "call the arrays x and y"),
    "labels of another length": (npz(x=np.ones((3, 2)), y=np.ones(4)), "give one for each"),
    "pixels beyond 255": (npz(x=np.full((9, 8, 8), 300), y=np.arange(9)), "from 0 to 255"),
    "half a Parquet file": (written(FLOWERS.to_parquet)[:-60], "Parquet file is damaged"),
    "half a Feather file": (written(FLOWERS.to_feather)[:-60], "Feather file is damaged"),
    "lists in a Parquet file": (written(pd.DataFrame({"x": [[1], [2]], "label": "ab"}).to_parquet), "hold a list"),
    "JSON of lists": (b"[[1, 2], [3, 4]]", "no objects with one value for each column"),
    "JSON that ends early": (b'{"x": 1, "label"', "JSON cannot be read"),
    "deep JSON": (b"[" * 100_000, "JSON cannot be read"),
    "old Excel": (b"\xd0\xcf\x11\xe0" + bytes(20), "old Excel workbook: save it as .xlsx or as CSV"),
    "ARFF": (b"% comment\n@RELATION iris\n@ATTRIBUTE x NUMERIC\n@DATA\n1,2\n", "ARFF file: save it as CSV"),
    "MATLAB": (b"MATLAB 5.0 MAT-file, Platform: GLNXA64" + bytes(99), "scipy.io.loadmat"),
    "HDF5": (b"\x89HDF\r\n\x1a\n", "numpy.savez"),
    "gzip": (b"\x1f\x8b\x08\x00", "unpack it"),
    "a Teachable Machine project": (packed({"manifest.json": b"{}", "cat-!-1.jpg": b""}), "Teachable Machine"),
    "a workbook that is none": (packed({"[Content_Types].xml": b"", "xl/workbook.xml": b"<"}), "Excel"),
    "a pickle": (pickle.dumps([1]), "pickle"),
}


@pytest.mark.parametrize(("blob", "fragment"), REFUSED.values(), ids=REFUSED)
def test_a_file_that_cannot_be_read_is_refused_with_a_way_out(refusal: Refuse, blob: bytes, fragment: str) -> None:
    assert fragment in refusal(blob, "mine.dat")


@pytest.mark.slow
def test_a_bomb_in_a_workbook_or_an_array_is_refused(refusal: Refuse) -> None:
    sheet = packed({"[Content_Types].xml": b"", "xl/workbook.xml": b"", "xl/worksheets/sheet1.xml": bytes(90_000_000)})
    assert "unpacks to more than 200 times its size" in refusal(sheet, "bomb.xlsx")
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", bytes(90_000_000))
    assert "unpacks to more than 200 times its size" in refusal(file.getvalue(), "bomb.npz")


def test_a_table_of_too_many_rows_is_refused_before_it_is_read(
    refusal: Refuse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_formats, "MAX_ROWS", 149)
    assert "more than 149 rows" in refusal(written(FLOWERS.to_parquet), "flowers.parquet")


def test_a_missing_package_is_named_with_its_extra(refusal: Refuse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    sentence = refusal(written(FLOWERS.to_feather).replace(b"ARROW1", b"PAR1\0\0", 1), "flowers.parquet")
    assert 'pip install "distillery-lab[tables]"' in sentence


def test_labels_of_arrays_with_several_columns_are_classes_of_their_own(home: Path) -> None:
    labels = np.eye(4, dtype=int)[np.arange(24) % 4] | np.eye(4, dtype=int)[np.arange(24) % 3]
    upload = uploads.add("arrays.npz", npz(x=noise(24, 8, 8), y=labels))
    assert (upload.kind, upload.classes) == ("multi-label images", ("label 1", "label 2", "label 3", "label 4"))
    data = load(Uploaded(id=upload.id))
    assert data.shape == (1, 8, 8)
    assert sum(split.labels.sum(0) for split in data.splits.values()).tolist() == labels.sum(0).tolist()


def test_numbers_of_arrays_of_images_are_predicted_and_infinite_ones_refused(home: Path, refusal: Refuse) -> None:
    numbers = np.linspace(-1.5, 2.25, 24)
    upload = uploads.add("arrays.npz", npz(x=noise(24, 8, 8), y=numbers))
    data = load(Uploaded(id=upload.id))
    values = torch.cat([split.labels for split in data.splits.values()])[:, 0]
    in_unit = values * data.label_scale[0] + data.label_centre[0]
    assert in_unit.sort().values.numpy() == pytest.approx(numbers, abs=1e-5)
    numbers[3] = np.inf
    assert "are not finite" in refusal(npz(x=noise(24, 8, 8), y=numbers), "arrays.npz")
