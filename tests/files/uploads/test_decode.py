"""Tests of the decoding of images to squares."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kd_core.files import uploads
from kd_core.files.uploads import decode, images
from tests.files.uploads.conftest import encoded, folders, noise, packed

Refuse = Callable[..., str]


def decoded(blob: bytes, pixels: int = 8) -> np.ndarray:
    return decode.decode(blob, "x.png", pixels)[0]


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_of(width: int, height: int, depth: int = 8, colour: int = 0, rows: bytes = b"") -> bytes:
    """Return a PNG with any header."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def test_a_16_bit_grey_image_is_scaled_and_not_clipped() -> None:
    values = np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8)
    expected = np.rint(values / 257)
    for blob in (encoded(values), encoded(values, "TIFF"), b"P5 8 8 65535\n" + values.astype(">u2").tobytes()):
        assert np.abs(decoded(blob) - expected).max() <= 1
        assert decoded(blob).max() == 255


def test_a_16_bit_colour_image_is_scaled() -> None:
    values = (np.arange(192) * 340).astype(">u2").reshape(8, 24)
    blob = png_of(8, 8, 16, 2, b"".join(b"\0" + row.tobytes() for row in values))
    assert np.abs(decoded(blob) - values.reshape(8, 8, 3) / 257).max() <= 1


def test_cmyk_is_converted_to_rgb() -> None:
    """Full cyan ink and nothing else absorbs red."""
    inks = np.zeros((8, 8, 4), np.uint8)
    inks[..., 0] = 255
    image = decoded(encoded(Image.frombytes("CMYK", (8, 8), inks.tobytes()), "TIFF"))
    assert (image == [0, 255, 255]).all()


def test_transparent_parts_are_white() -> None:
    image = np.zeros((8, 8, 4), np.uint8)
    image[:4, :, 3] = 255
    assert decoded(encoded(image))[:, 0, 0].tolist() == [0] * 4 + [255] * 4


def test_palette_and_bilevel_images_are_read() -> None:
    image = Image.fromarray(noise(8, 8, 3)).convert("P", palette=Image.Palette.ADAPTIVE, colors=4)
    assert (decoded(encoded(image, "GIF")) == np.asarray(image.convert("RGB"))).all()
    bilevel = Image.fromarray(noise(8, 8)).convert("1")
    assert set(np.unique(decoded(encoded(bilevel)))) == {0, 255}


def test_the_exif_orientation_is_applied() -> None:
    image = Image.fromarray(noise(8, 8))
    exif = Image.Exif()
    exif[0x0112] = 6  # the top of the scene is the right side of the file
    assert (decoded(encoded(image, "PNG", exif=exif)) == np.rot90(np.asarray(image), -1)).all()


def test_the_short_side_is_resized_with_antialiasing_and_the_middle_is_kept() -> None:
    """Stripes of one pixel become their mean, and what lies left and right of the middle square is gone."""
    image = np.zeros((64, 128), np.uint8)
    image[:, 16:112:2] = 200
    image[:, :16] = image[:, -16:] = 255
    square = decoded(encoded(image))
    assert np.abs(square.astype(int) - 100).max() <= 3


@pytest.mark.parametrize("shape", [(1, 3000), (3000, 1), (1, 1)])
def test_an_image_of_one_line_is_cropped_before_it_is_resized(shape: tuple[int, int]) -> None:
    assert decoded(encoded(np.full(shape, 9, np.uint8)), 224).tolist() == np.full((224, 224), 9).tolist()


def test_colour_is_detected_or_as_requested(home: Path) -> None:
    coloured = packed(folders() | {"cat/x.png": encoded(noise(8, 8, 3))})
    plain = packed(folders() | {"cat/x.png": encoded(np.repeat(noise(8, 8, 1), 3, axis=2))})
    assert uploads.add("mine.zip", coloured).shape == (3, 32, 32)
    assert uploads.add("mine.zip", plain).shape == (1, 32, 32)
    assert uploads.add("mine.zip", coloured, colour="grey").shape == (1, 32, 32)
    assert uploads.add("mine.zip", plain, colour="colour").shape == (3, 32, 32)


def test_grey_weighs_the_channels_by_bt_601() -> None:
    assert decode.to_grey(np.eye(3, dtype=np.uint8)[None] * 255).tolist() == [[76, 150, 29]]


def animation(kind: str) -> bytes:
    file, frames = io.BytesIO(), [Image.fromarray(noise(8, 8, 3)) for _ in range(3)]
    frames[0].save(file, kind, save_all=True, append_images=frames[1:])
    return file.getvalue()


BAD = {
    "truncated PNG": (encoded(noise(50, 50))[:1500], "is damaged or incomplete"),
    "truncated JPEG": (encoded(noise(50, 50), "JPEG")[:900], "is damaged or incomplete"),
    "GIF with frames": (animation("GIF"), "is animated"),
    "PNG with frames": (animation("PNG"), "is animated"),
    "WebP with frames": (animation("WEBP"), "is animated"),
    "TIFF with pages": (animation("TIFF"), "several pages"),
    "huge": (png_of(8000, 7000), "more than 50 million pixels"),
    "very huge": (png_of(12_000, 10_000), "more than 50 million pixels"),
    "enormous": (png_of(2**31 - 1, 2**31 - 1), "more than 50 million pixels"),
    "no width": (png_of(0, 8), "x.png"),
    "decimals": (encoded(Image.fromarray(np.zeros((8, 8), np.float32)), "TIFF"), "decimal numbers"),
    "32 bits": (encoded(Image.fromarray(np.full((8, 8), 70_000, np.int32)), "TIFF"), "32 bits"),
    "no rows": (png_of(8, 8), "damaged"),
    "PostScript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n", "is not an image"),
}


@pytest.mark.parametrize(("blob", "fragment"), BAD.values(), ids=BAD)
def test_an_image_that_cannot_be_decoded_is_named(refusal: Refuse, blob: bytes, fragment: str) -> None:
    sentence = refusal(packed(folders() | {"cat/x.png": blob}))
    assert fragment in sentence
    assert '"cat/x.png"' in sentence


def test_all_images_together_have_a_limit(refusal: Refuse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "MAX_DECODED_PIXELS", 1199)
    assert "pixels in all" in refusal(packed(folders()))
