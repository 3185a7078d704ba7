"""Images of any size and kind as squares of bytes."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from kd_core.files.limits import IMAGE, RefusedError, quoted

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
ORIENTATION = 0x0112  # the EXIF tag, and what to do about each of its values
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
ARCHIVES = (b"PK\x03\x04", b"\x1f\x8b", b"7z\xbc\xaf", b"Rar!", b"BZh", b"\xfd7zXZ")

Pixels = NDArray[np.uint8]


def decode(blob: bytes, path: str, pixels: int) -> tuple[Pixels, int]:
    """A square of bytes, (S, S) if it is grey and (S, S, 3) if not, and the number of pixels the image had.

    The middle square of the upright image, resized to ``pixels`` with antialiasing; as it is where it has that size.
    Transparent parts become white. Raises RefusedError, naming ``path``.
    """
    name = quoted(path)
    if not blob:
        raise RefusedError(f"{name} is empty: replace the file, or take it out.")
    if blob.startswith(ARCHIVES):
        raise RefusedError(f"{name} is an archive inside of the archive: unpack it first, and pack only images.")
    try:
        image = Image.open(io.BytesIO(blob), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise RefusedError(_too_large(name)) from error
    except Exception as error:  # Pillow's readers fail in any way
        raise RefusedError(f"{name} is not an image that can be read ({', '.join(FORMATS)}): take it out.") from error
    size = image.width * image.height
    if size > IMAGE:
        raise RefusedError(_too_large(name))
    if not size:
        raise RefusedError(f"{name} has no pixels: take it out.")
    if image.format != "MPO" and getattr(image, "is_animated", False):  # MPO: a photo with its own small copies
        raise RefusedError(f"{name} is animated or has several pages: save the one picture you mean.")
    try:
        image.draft(None, (2 * pixels, 2 * pixels))  # a JPEG is read at about the size that is needed
        square = _resized(_bytes_of(image), pixels)
        turned = UPRIGHT.get(image.getexif().get(ORIENTATION, 1))
        return np.asarray(square if turned is None else square.transpose(turned)), size
    except RefusedError as error:
        raise RefusedError(f"{name} {error}") from error
    except Exception as error:
        raise RefusedError(f"{name} is damaged or incomplete: save it again, or take it out.") from error


def _too_large(name: str) -> str:
    return f"{name} has more than {IMAGE / 1e6:g} million pixels: make it smaller."


def _bytes_of(image: Image.Image) -> Image.Image:
    """The same picture in mode L or RGB."""
    if image.mode == "F":
        raise RefusedError("has decimal numbers as pixels: save it with 8 or 16 bits.")
    if image.mode.startswith("I"):
        deep = np.asarray(image).astype(np.int64)
        if deep.min() < 0 or deep.max() > 65535:
            raise RefusedError("has pixels of 32 bits: save it with 8 or 16 bits.")
        return Image.fromarray(((deep * 255 + 32767) // 65535).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("L" if image.mode in ("1", "L") else "RGB")


def _resized(image: Image.Image, pixels: int) -> Image.Image:
    width, height = image.size
    if width == height == pixels:
        return image
    # Cut first, so that a picture of one line does not become enormous on the way.
    side = min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    return image.resize((pixels, pixels), Image.Resampling.BILINEAR, (left, top, left + side, top + side))


def is_grey(image: Pixels) -> bool:
    """Whether no pixel has a colour."""
    return image.ndim == 2 or bool((image[..., 0] == image[..., 1]).all() and (image[..., 0] == image[..., 2]).all())


def in_grey(image: Pixels) -> Pixels:
    """(S, S), by the weights of television."""
    if image.ndim == 2:
        return image
    grey: Pixels = np.rint(image @ LUMA).astype(np.uint8)
    return grey


def stack_images(images: list[Pixels], colour: str) -> NDArray[np.uint8]:
    """(N, C, S, S): one channel for "grey", three for "colour", for "auto" one if all are grey."""
    wants_grey = colour == "grey" or (colour == "auto" and all(is_grey(image) for image in images))
    side = len(images[0])
    out = np.empty((len(images), 1 if wants_grey else 3, side, side), np.uint8)
    for place, image in zip(out, images, strict=True):
        place[:] = in_grey(image) if wants_grey or image.ndim == 2 else image.transpose(2, 0, 1)
    return out
