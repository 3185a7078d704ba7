"""Tests of uploaded ZIP archives of images."""

from __future__ import annotations

import io
import pickle
import re
import struct
import time
import tracemalloc
import unicodedata
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from kd_core.files import limits, uploads
from kd_core.files.uploads import images, zip_images
from tests.files.uploads.conftest import PER_CLASS, encoded, folders, noise, packed

Refuse = Callable[..., str]


def test_images_of_the_right_size_are_stored_unchanged(home: Path) -> None:
    images = {(name, number): noise(8, 8) for name in ("b", "a") for number in range(5)}
    files = {f"{name}/{number}.png": encoded(image) for (name, number), image in images.items()}
    upload = uploads.add("mine.zip", packed(files), pixels=8)
    assert (upload.kind, upload.classes, upload.counts, upload.shape) == ("images", ("a", "b"), (5, 5), (1, 8, 8))
    inputs, labels, _ = uploads.read(upload.id)
    assert (inputs.dtype, labels.dtype) == (torch.uint8, torch.int64)
    expected = {(upload.classes.index(name), image.tobytes()) for (name, _), image in images.items()}
    assert {(int(label), row.numpy().tobytes()) for row, label in zip(inputs, labels, strict=True)} == expected


def test_the_same_images_are_stored_once_whatever_the_file_name_and_the_outer_folder(home: Path) -> None:
    files = folders()
    first = uploads.add("first.zip", packed(files))
    wrapped = packed({f"pets/{path}": blob for path, blob in reversed(files.items())}, zipfile.ZIP_STORED)
    assert uploads.add("second.zip", io.BytesIO(wrapped)) == first
    assert [upload.name for upload in uploads.list_all()] == ["first.zip"]
    assert [path.name for path in home.rglob("*") if path.is_file()] == [f"{first.id}.safetensors"]
    assert uploads.add("third.zip", packed(files), pixels=16).id != first.id


def test_a_file_object_is_read_from_its_beginning_and_stays_open(home: Path) -> None:
    file = io.BytesIO(packed(folders()))
    file.seek(17)
    uploads.add("mine.zip", file)
    assert not file.closed


def test_files_of_the_operating_system_are_ignored(home: Path) -> None:
    system_files = ("__MACOSX/cat/._1.png", "cat/.DS_Store", "dog/Thumbs.db", "cat/._0.png", ".DS_Store")
    upload = uploads.add("mine.zip", packed(folders() | dict.fromkeys(system_files, b"litter")))
    assert len(upload) == 2 * PER_CLASS


def test_a_removed_upload_cannot_be_read(home: Path) -> None:
    upload = uploads.add("mine.zip", packed(folders()))
    uploads.remove(upload.id)
    uploads.remove(upload.id)
    assert uploads.list_all() == []
    assert uploads.find(upload.id) is None
    with pytest.raises(ValueError, match="not on this machine"):
        uploads.read(upload.id)


@pytest.mark.parametrize(
    "key", ["", "../secret", "a" * 31, "a" * 33, "A" * 32, "a" * 31 + "/", "a" * 32 + "\n", "٣" * 32]
)
def test_only_an_id_becomes_a_path(home: Path, key: str) -> None:
    (home / "uploads").mkdir(parents=True)
    assert uploads.find(key) is None
    for function in (uploads.read, uploads.remove):
        with pytest.raises(ValueError, match="32"):
            function(key)


def test_other_files_in_the_folder_are_not_listed(home: Path) -> None:
    upload = uploads.add("mine.zip", packed(folders()))
    (home / "uploads" / f"{'0' * 32}.safetensors").write_bytes(b"nonsense")
    (home / "uploads" / "notes.safetensors").write_bytes(b"nonsense")
    assert uploads.list_all() == [upload]


def test_a_full_disk_is_reported_and_leaves_no_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: Path, __: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(ValueError, match=r"No space left on device.*make room"):
        uploads.add("mine.zip", packed(folders()))
    assert list((home / "uploads").iterdir()) == []


@pytest.mark.parametrize(
    ("option", "fragment"), [({"pixels": 7}, "8 to 224"), ({"pixels": 225}, "8 to 224"), ({"colour": "x"}, "auto")]
)
def test_the_error_for_a_bad_option_has_the_allowed_values(
    home: Path, option: dict[str, object], fragment: str
) -> None:
    with pytest.raises(ValueError, match=fragment):
        uploads.add("mine.zip", packed(folders()), **option)  # type: ignore[arg-type]


PATHS = {
    "absolute": "/cat/x.png",
    "upwards": "cat/../../x.png",
    "both slashes": "pets/cat\\x.png",
    "drive": "C:/cat/x.png",
    "drive of a class": "c:x/x.png",
    "here": "./cat/x.png",
    "doubled": "cat//x.png",
}


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_a_path_that_leads_outside_is_refused(refusal: Refuse, path: str) -> None:
    assert "is not a plain path" in refusal(packed(folders() | {path: encoded(noise(8, 8))}))


def test_a_link_is_refused(refusal: Refuse) -> None:
    link = zipfile.ZipInfo("cat/link.png")
    link.external_attr = 0o120777 << 16
    assert '"cat/link.png" is a link' in refusal(packed(folders() | {link: b"/etc/passwd"}))


def test_an_encrypted_file_is_refused(refusal: Refuse) -> None:
    blob = bytearray(packed(folders()))
    position = blob.index(zip_images.ENTRY_MAGIC)
    blob[position + 8] |= 1
    assert '"cat/0.png" is encrypted' in refusal(bytes(blob))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compression_methods_without_bounded_output_are_refused(refusal: Refuse, method: int) -> None:
    assert "packed in a rare way" in refusal(packed(folders(), method))


def test_a_path_that_occurs_twice_is_refused(refusal: Refuse) -> None:
    file = io.BytesIO(packed(folders()))
    with zipfile.ZipFile(file, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("cat/0.png", b"another")
    assert '"cat/0.png" is in it twice' in refusal(file.getvalue())


@pytest.mark.parametrize("fraction", [0.1, 0.5, 0.99])
def test_an_archive_that_ends_too_early_is_refused(refusal: Refuse, fraction: float) -> None:
    blob = packed(folders())
    assert "damaged or incomplete" in refusal(blob[: int(len(blob) * fraction)])


def test_a_file_that_is_damaged_inside_is_named(refusal: Refuse) -> None:
    files = folders()
    blob = bytearray(packed(files, zipfile.ZIP_STORED))
    blob[blob.index(files["dog/3.png"]) + 60] ^= 255
    assert '"dog/3.png" is damaged' in refusal(bytes(blob))


def test_a_bomb_is_refused_quickly_and_in_little_memory(refusal: Refuse) -> None:
    bomb = packed(folders() | {"cat/x.bmp": b"BM" + bytes(90_000_000)})
    tracemalloc.start()
    start = time.monotonic()
    sentence = refusal(bomb)
    seconds, (_, peak) = time.monotonic() - start, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert '"cat/x.bmp" unpacks to more than 200 times its size' in sentence
    assert seconds < 3
    assert peak < 30_000_000


def test_wrong_sizes_in_the_headers_do_not_bypass_the_limit(refusal: Refuse) -> None:
    """The packed size in the table of contents is raised, so that the ratio seems harmless."""
    blob = bytearray(packed(folders() | {"cat/x.bmp": b"BM" + bytes(90_000_000)}))
    position = blob.rindex(zip_images.ENTRY_MAGIC)
    struct.pack_into("<I", blob, position + 20, 80_000_000)
    sentence = refusal(bytes(blob))
    assert '"cat/x.bmp"' in sentence


def test_all_files_together_have_a_limit(refusal: Refuse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "MAX_UNPACKED_BYTES", 800)
    assert "unpacks to more than" in refusal(packed(folders()))


def test_one_file_has_a_limit(refusal: Refuse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zip_images, "MAX_ENTRY_BYTES", 100)
    assert '"cat/0.png" unpacks to more than' in refusal(packed(folders()))


def test_too_many_files_are_refused_before_they_are_listed(refusal: Refuse) -> None:
    record = zip_images.ENTRY_MAGIC + bytes(42)
    many = limits.MAX_ENTRIES + 1
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, many * len(record), 4, 0)
    assert "more than 200,000 files" in refusal(b"PK\3\4" + record * many + end)


def test_too_large_a_result_is_refused_before_anything_is_unpacked(
    refusal: Refuse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "MAX_STORED_BYTES", 12 * 3 * 224 * 224 - 1)
    assert "choose fewer pixels" in refusal(packed(folders()), pixels=224)
    assert uploads.add("mine.zip", packed(folders()), pixels=224, colour="grey").shape == (1, 224, 224)


NOT_IMAGES = {
    "nested archive": ("cat/more.zip", packed({"a": b""}), "archive inside of the archive"),
    "nested archive called an image": ("cat/x.png", packed({"a": b""}), "archive inside of the archive"),
    "text called an image": ("cat/notes.png", b"two cats", "is not an image"),
    "nothing": ("cat/x.png", b"", "is empty"),
    "pickle": ("cat/data.pkl", pickle.dumps([1]), "is a pickle, which can run any program"),
    "pickle called an image": ("cat/x.png", pickle.dumps([1]), "is not an image"),
}


@pytest.mark.parametrize(("path", "blob", "fragment"), NOT_IMAGES.values(), ids=NOT_IMAGES)
def test_a_file_that_is_no_image_is_named(refusal: Refuse, path: str, blob: bytes, fragment: str) -> None:
    sentence = refusal(packed(folders() | {path: blob}))
    assert fragment in sentence
    assert path in sentence


class Trap:
    """Object whose pickle creates a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("legacy", [False, True])
def test_a_torch_file_is_refused_and_never_loaded(refusal: Refuse, tmp_path: Path, legacy: bool) -> None:
    trace, file = tmp_path / "trace", io.BytesIO()
    torch.save({"weight": torch.zeros(3), "trap": Trap(trace)}, file, _use_new_zipfile_serialization=not legacy)
    sentence = refusal(file.getvalue(), "model.pt")
    assert "pickle" in sentence
    assert "safetensors" in sentence
    assert not trace.exists()


OTHERS = {
    "empty": (b"", "is empty"),
    "image": (encoded(noise(8, 8)), "one PNG image"),
    "numpy": (b"\x93NUMPY\x01\x00", "NumPy array is damaged"),
    "no files": (packed({}), "no images"),
    "office": (packed({"[Content_Types].xml": b"", "word/document.xml": b""}), "Office document"),
    "safetensors": (struct.pack("<Q", 2) + b"{}" + bytes(8), "safetensors"),
    "one class": (packed({f"cat/{n}.png": encoded(noise(8, 8)) for n in range(9)}), 'only one class, "cat"'),
    "one class in a folder": (packed({f"x/cat/{n}.png": encoded(noise(8, 8)) for n in range(9)}), "only one class"),
    "an empty class": (packed(folders() | {"mouse/": b""}), 'folder "mouse" is empty'),
    "an empty class in a folder": (packed(folders("pets/") | {"pets/mouse/": b""}), 'folder "pets/mouse" is empty'),
    "an empty class of litter": (packed(folders() | {"mouse/.DS_Store": b"", "mouse/": b""}), '"mouse" is empty'),
    "few": (packed({f"{c}/{n}.png": encoded(noise(8, 8)) for c in "ab" for n in range(4)}), 'at least 5.*"a" has 4'),
    "copies": (packed(folders() | {f"rat/{n}.png": encoded(np.zeros((8, 8), "u1")) for n in range(9)}), '"rat" has 1'),
}


@pytest.mark.parametrize(("blob", "fragment"), OTHERS.values(), ids=OTHERS)
def test_a_file_that_is_no_data_set_is_refused_with_its_type(refusal: Refuse, blob: bytes, fragment: str) -> None:
    assert re.search(fragment, refusal(blob))


@pytest.mark.parametrize(
    ("name", "other"), [("Cat", "cat"), ("caf\u00e9", "cafe\u0301"), ("cat", "cat "), ("1", "1.0"), ("ﬁn", "fin")]
)
def test_class_names_that_could_be_confused_are_refused(refusal: Refuse, name: str, other: str) -> None:
    files = {f"{name}/{number}.png": encoded(noise(8, 8)) for name in (name, other) for number in range(6)}
    assert "differ only in" in refusal(packed(files))


@pytest.mark.parametrize(
    ("name", "fragment"), [("none", "means no class"), ("x" * 81, "at most 80"), ("a\x07", "printable")]
)
def test_a_class_name_that_cannot_be_shown_or_chosen_is_refused(refusal: Refuse, name: str, fragment: str) -> None:
    assert fragment in refusal(packed(folders() | {f"{name}/0.png": encoded(noise(8, 8))}))


def test_names_are_normalised_and_sorted_as_torchvision_sorts_folders(home: Path, tmp_path: Path) -> None:
    from torchvision.datasets import ImageFolder  # takes seconds to import

    names = ("10", "9", "Zoe", "cafe\u0301", "1")
    files = {f"{name}/{n}.png": encoded(noise(8, 8)) for name in names for n in range(5)}
    for path, blob in files.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(blob)
    expected = [unicodedata.normalize("NFC", name) for name in ImageFolder(tmp_path).classes]
    assert list(uploads.add("mine.zip", packed(files)).classes) == expected == ["1", "10", "9", "Zoe", "caf\u00e9"]


def test_too_many_classes_are_refused(refusal: Refuse) -> None:
    files = {f"{number}/0.png": b"" for number in range(limits.MAX_CLASSES + 1)}
    assert "at most 1,000 classes" in refusal(packed(files))
