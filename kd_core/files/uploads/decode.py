"""Decoding of image files to squares of bytes, upright, resized and centre-cropped."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from kd_core.files.limits import MAX_IMAGE_PIXELS, RefusedError, quoted
from kd_core.files.uploads.understanding import SEVERAL

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
ORIENTATION_TAG = 0x0112  # of EXIF
UPRIGHT = {  # transposition for each of its values
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
LUMA = np.array([299, 587, 114])  # thousandths, ITU-R BT.601; whole numbers round alike on every machine
THUMBNAILS = 12  # of all classes together
ARCHIVES = (b"PK\x03\x04", b"\x1f\x8b", b"7z\xbc\xaf", b"Rar!", b"BZh", b"\xfd7zXZ")

Pixels = NDArray[np.uint8]


def decode(blob: bytes, path: str, pixels: int, *, is_stretched: bool = False) -> tuple[Pixels, int]:
    """Decode an image file to a square of ``pixels`` per side.

    The middle square of the upright image is resized with antialiasing, unless it has that size; or else the whole
    image ``is_stretched`` to a square, as it is stored. Transparent parts become white.

    Returns:
        The square, (S, S) if it is grey and (S, S, 3) if not, and the number of pixels of the original image.

    Raises:
        RefusedError: The file is no image, or a damaged, animated or too large one; the message begins with ``path``.
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
    except Exception as error:  # Pillow's readers raise all kinds of exceptions
        raise RefusedError(f"{name} is not an image that can be read ({', '.join(FORMATS)}): take it out.") from error
    size = image.width * image.height
    if size > MAX_IMAGE_PIXELS:
        raise RefusedError(_too_large(name))
    if not size:
        raise RefusedError(f"{name} has no pixels: take it out.")
    if image.format != "MPO" and getattr(image, "is_animated", False):  # MPO files hold a photo and its thumbnails
        raise RefusedError(f"{name} is animated or has several pages: save the one image you mean.")
    try:
        image.draft(None, (2 * pixels, 2 * pixels))  # decodes a JPEG at about the size that is needed
        upright = _to_8_bits(image)
        if is_stretched:
            return np.asarray(upright.resize((pixels, pixels), Image.Resampling.BILINEAR)), size
        square = resize(upright, pixels)
        transposition = UPRIGHT.get(image.getexif().get(ORIENTATION_TAG, 1))
        return np.asarray(square if transposition is None else square.transpose(transposition)), size
    except RefusedError as error:
        raise RefusedError(f"{name} {error}") from error
    except Exception as error:
        raise RefusedError(f"{name} is damaged or incomplete: save it again, or take it out.") from error


def _too_large(name: str) -> str:
    return f"{name} has more than {MAX_IMAGE_PIXELS / 1e6:g} million pixels: make it smaller."


def _to_8_bits(image: Image.Image) -> Image.Image:
    """Convert an image to mode L or RGB."""
    if image.mode == "F":
        raise RefusedError("has decimal numbers as pixels: save it with 8 or 16 bits.")
    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise RefusedError("has pixels of 32 bits: save it with 8 or 16 bits.")
        return Image.fromarray(((values * 255 + 32767) // 65535).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("L" if image.mode in ("1", "L") else "RGB")


def resize(image: Image.Image, pixels: int) -> Image.Image:
    """Return the middle square of an image, resized with antialiasing to ``pixels`` per side if it has another size."""
    width, height = image.size
    if width == height == pixels:
        return image
    # Cropped first, so that an image of one line does not become enormous in between.
    side = min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    return image.resize((pixels, pixels), Image.Resampling.BILINEAR, (left, top, left + side, top + side))


def decode_mask(blob: bytes, path: str) -> NDArray[np.int64]:
    """Decode a mask at its own size.

    Returns:
        Class numbers (H, W) of a palette or a grey image, or colours (H, W, 3).

    Raises:
        RefusedError: The file is no image that keeps numbers; the message begins with ``path``.
    """
    name = quoted(path)
    try:
        image = Image.open(io.BytesIO(blob), formats=FORMATS)
        if image.format == "JPEG":
            raise RefusedError(f"{name} is a JPEG, whose compression changes class numbers: save the mask as PNG.")
        if image.width * image.height > MAX_IMAGE_PIXELS:
            raise RefusedError(_too_large(name))
        if image.mode in ("P", "L", "1") or image.mode.startswith("I"):
            return np.asarray(image).astype(np.int64)
        values = np.asarray(image.convert("RGB")).astype(np.int64)
        return values[..., 0] if is_grey(values.astype(np.uint8)) else values
    except RefusedError:
        raise
    except Exception as error:  # Pillow's readers raise all kinds of exceptions
        raise RefusedError(f"{name} is not an image that can be read: save the mask as PNG.") from error


def size_of(blob: bytes, path: str) -> tuple[int, int]:
    """Return height and width of an image file as it is stored. Raises RefusedError if it is none."""
    try:
        image = Image.open(io.BytesIO(blob), formats=FORMATS)
    except Exception as error:
        raise RefusedError(f"{quoted(path)} is not an image that can be read: take it out.") from error
    return image.height, image.width


def resize_mask(mask: NDArray[np.int64], pixels: int) -> NDArray[np.int64]:
    """Return the middle square of a mask (H, W), cut out and scaled as :func:`resize` does, by the nearest pixel."""
    height, width = mask.shape
    side = min(width, height)
    places = ((np.arange(pixels) + 0.5) * side / pixels).astype(int)
    square: NDArray[np.int64] = mask[(height - side) // 2 + places][:, (width - side) // 2 + places]
    return square


def is_grey(image: Pixels) -> bool:
    """Return whether an image (S, S) or (S, S, 3) has no colour."""
    return image.ndim == 2 or bool((image[..., 0] == image[..., 1]).all() and (image[..., 0] == image[..., 2]).all())


def to_grey(image: Pixels) -> Pixels:
    """Convert an image (S, S) or (S, S, 3) to grey (S, S) with the weights of ITU-R BT.601."""
    if image.ndim == 2:
        return image
    grey: Pixels = ((image @ LUMA + 500) // 1000).astype(np.uint8)
    return grey


def stack_images(images: list[Pixels], colour: str) -> NDArray[np.uint8]:
    """Stack images to (N, C, S, S), one channel for "grey", three for "colour"; "auto" is grey if all images are."""
    wants_grey = colour == "grey" or (colour == "auto" and all(is_grey(image) for image in images))
    side = len(images[0])
    stacked = np.empty((len(images), 1 if wants_grey else 3, side, side), np.uint8)
    for target, image in zip(stacked, images, strict=True):
        target[:] = to_grey(image) if wants_grey or image.ndim == 2 else image.transpose(2, 0, 1)
    return stacked


def moments(pixels: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation by channel of bytes (N, C, H, W) scaled to [0, 1], exact by counting."""
    means, stds = [], []
    values = np.arange(256) / 255
    for channel in range(pixels.shape[1]):
        counts = np.zeros(256, np.int64)
        for chunk in torch.split(pixels[:, channel], 512):  # bincount converts the bytes to int64
            counts += np.bincount(chunk.numpy().ravel(), minlength=256)
        frequency = counts / counts.sum()
        mean = float(frequency @ values)
        means.append(mean)
        # A single grey level has deviation 0; 1 keeps the inputs at 0.
        stds.append(float(frequency @ (values - mean) ** 2) ** 0.5 or 1.0)
    return tuple(means), tuple(stds)


def thumbnails(inputs: Tensor, labels: Tensor, captions: Sequence[str]) -> list[tuple[str, np.ndarray]]:
    """Return some images with their captions (N), as many of each class where labels (N,) are of one class each."""
    if labels.dim() > 1:
        rows = list(range(len(labels))[:: -(-len(labels) // THUMBNAILS)])
    else:
        classes = torch.unique(labels).tolist()
        each = max(1, THUMBNAILS // len(classes))
        of_classes = [(labels == number).nonzero().flatten()[:each] for number in classes[:THUMBNAILS]]
        rows = torch.cat(of_classes).tolist()
    return [(captions[row].replace(SEVERAL, ", "), inputs[row].permute(1, 2, 0).squeeze(2).numpy()) for row in rows]
