"""Fuzz tests of uploads, which must succeed or raise one ValueError and write nothing."""

from __future__ import annotations

import struct
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save
from torch import zeros

from kd_core.files import uploads
from tests.files.uploads.conftest import encoded, folders, listing, noise, packed, points, written

pytestmark = pytest.mark.slow

FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
KINDS = {"JPEG": ".jpg", "GIF": ".gif", "BMP": ".bmp", "TIFF": ".tif", "WEBP": ".webp", "PPM": ".pgm", "PNG": ".png"}
IMAGES = {f"cat/x{end}": encoded(noise(9, 9), kind) for kind, end in KINDS.items()}
TABLE = pd.DataFrame({"x": np.arange(20.0) ** 2 % 7, "word": ["u", "v"] * 10, "label": ["a", "b", "a", "b"] * 5})
GOOD_FILES = (
    packed(folders() | IMAGES),
    packed(folders("pets/") | {"pets/cat/": b"", "__MACOSX/x": b""}, method=0),
    "\n".join(["x,y,label", *points()]).encode(),
    b"\n".join(b"%d," % (line % 2) + b",".join(b"%d" % value for value in noise(64)) for line in range(10)),
    save({"a": zeros(3)}),
    *(
        written(write)
        for write in (TABLE.to_parquet, TABLE.to_feather, lambda file: TABLE.to_json(file, orient="records"))
    ),
    written(lambda file: np.savez(file, x=noise(20, 8, 8), y=np.arange(20) % 2)),
    written(lambda file: np.save(file, TABLE.assign(word=0, label=1).to_numpy(float))),
)


# What Python can write into an archive: no half of a surrogate pair, and nothing that ends a name.
NAME_CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")


def try_to_add(home: Path, blob: bytes) -> None:
    """Add an upload; check that it is consistent, or refused in one sentence and the disk unchanged."""
    before = listing(home.parent.parent)
    upload, sentence = None, ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, about what it reads on the way; in the app they go to a log
        try:
            upload = uploads.add("mine", blob, pixels=8)
        except ValueError as error:
            sentence = str(error)
    if upload is None:
        assert sentence.startswith("mine: ")
        assert "\n" not in sentence
        assert listing(home.parent.parent) == before
        return
    after = set(listing(home.parent.parent)) - set(before)
    assert {path for path in after if Path(path).is_file()} <= {str(home / "uploads" / f"{upload.id}.safetensors")}
    inputs, labels, splits = uploads.read(upload.id)
    assert len(inputs) == len(labels) == len(upload) == sum(upload.counts)
    assert tuple(inputs.shape[1:]) == upload.shape
    assert min(upload.counts) >= 5
    assert set(splits.tolist()) == {0, 1, 2}
    if upload.kind in ("multi-label", "regression"):
        assert labels.shape == (len(upload), len(upload.classes))
        assert labels.double().isfinite().all()
    else:
        assert set(labels.tolist()) == set(range(len(upload.classes)))
    uploads.remove(upload.id)


@FUZZ
@given(st.binary(max_size=300))
def test_any_bytes_are_an_upload_or_refused(home: Path, blob: bytes) -> None:
    try_to_add(home, blob)


@FUZZ
@given(
    st.sampled_from([b"PK\3\4", b"PK\5\6", b"\x80\4", b"\xff\xfe", b"\xef\xbb\xbf", b"1,2,a\n"]),
    st.binary(max_size=200),
)
def test_any_bytes_after_known_first_bytes_are_an_upload_or_refused(home: Path, start: bytes, blob: bytes) -> None:
    try_to_add(home, start + blob)


@FUZZ
@given(st.text(alphabet="0123456789.,;\t|\n\r\"'-+eE_ abклé\ufeff\0label", max_size=200))
def test_any_text_like_a_table_is_an_upload_or_refused(home: Path, text: str) -> None:
    try_to_add(home, text.encode())


@settings(FUZZ, max_examples=600)
@given(st.sampled_from(GOOD_FILES), st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=6)), max_size=4))
def test_a_file_with_changed_bytes_is_an_upload_or_refused(
    home: Path, start: bytes, changes: list[tuple[float, bytes]]
) -> None:
    blob = bytearray(start)
    for fraction, new in changes:
        place = int(fraction * (len(blob) - 1))
        blob[place : place + len(new)] = new
    try_to_add(home, bytes(blob))


@FUZZ
@given(st.integers(0, 1000), st.integers(0, 45), st.integers(0, 255))
def test_an_archive_with_a_changed_central_directory_is_an_upload_or_refused(
    home: Path, entry: int, place: int, value: int
) -> None:
    blob = bytearray(GOOD_FILES[0])
    places = [at for at in range(len(blob) - 46) if blob[at : at + 4] == b"PK\1\2"]
    blob[places[entry % len(places)] + place] = value
    try_to_add(home, bytes(blob))


@FUZZ
@given(st.sampled_from(list(IMAGES)), st.integers(0, 120), st.binary(min_size=1, max_size=4), st.booleans())
def test_an_archive_with_changed_images_is_an_upload_or_refused(
    home: Path, path: str, place: int, new: bytes, cuts: bool
) -> None:
    image = IMAGES[path]
    blob = image[:place] + new + (b"" if cuts else image[place + len(new) :])
    try_to_add(home, packed(folders(side=8) | {path: blob}, method=0))


@FUZZ
@given(st.lists(st.text(NAME_CHARACTERS, max_size=12), min_size=1, max_size=3), st.booleans())
def test_any_folder_names_are_accepted_or_refused(home: Path, names: list[str], around: bool) -> None:
    image = [encoded(noise(8, 8)) for _ in range(5)]
    start = "x/" if around else ""
    try_to_add(home, packed({f"{start}{name}/{n}.png": image[n] for name in names for n in range(5)}))


@pytest.mark.parametrize("name", ["", "../../x", "a\nb", "\ud800", "x" * 1000, "ünï.zip"])
def test_any_file_name_is_accepted(home: Path, name: str) -> None:
    upload = uploads.add(name, GOOD_FILES[2])
    assert len(upload.name) <= 120
    assert upload.name.isprintable()
    with pytest.raises(ValueError, match="is empty"):
        uploads.add(name, b"")


def test_an_archive_that_states_more_entries_than_it_has_is_refused(home: Path) -> None:
    blob = bytearray(GOOD_FILES[0])
    struct.pack_into("<HH", blob, blob.rindex(b"PK\5\6") + 8, 0xFFFF, 0xFFFF)
    try_to_add(home, bytes(blob))
