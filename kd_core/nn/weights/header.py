"""Header of a safetensors file, checked before anything in the file is believed.

The file begins with the length of its header (8 bytes, little endian) and the header, a JSON object that gives each
tensor's dtype, shape and place: https://github.com/huggingface/safetensors#format.
"""

from __future__ import annotations

import json
from typing import Any

from kd_core.files.limits import RefusedError

MAX_FILE = 2_000_000_000  # bytes
MAX_HEADER = 10_000_000  # bytes, some hundred thousand tensors


def read_header(blob: bytes) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Return type and shape of every tensor, from the header alone."""
    if len(blob) > MAX_FILE:
        raise RefusedError(f"it is larger than {MAX_FILE / 1e9:g} GB: give a smaller file.")
    length = int.from_bytes(blob[:8], "little")
    if len(blob) < 10 or length > len(blob) - 8:
        raise RefusedError("it is no safetensors file, or its end is missing: save the weights as safetensors.")
    if length > MAX_HEADER:
        raise RefusedError(f"its header is longer than {MAX_HEADER / 1e6:g} MB: save one network alone.")
    try:
        header = json.loads(blob[8 : 8 + length].decode(), object_pairs_hook=_without_duplicates)
        if not isinstance(header, dict):
            raise TypeError
        header.pop("__metadata__", None)
        return {key: _declared(entry, len(blob) - 8 - length) for key, entry in header.items()}
    except RefusedError:
        raise
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise RefusedError("its header cannot be read: save the weights as safetensors.") from error


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) < len(pairs):
        raise RefusedError("its header names a tensor twice: save the weights again.")
    return entries


def _declared(entry: Any, size: int) -> tuple[str, tuple[int, ...]]:
    """Return type and shape of one entry. Raises ValueError, TypeError or KeyError if it is beyond ``size``."""
    dtype, shape, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
    numbers = [*shape, begin, end]
    if not isinstance(dtype, str) or not all(type(number) is int and 0 <= number <= MAX_FILE for number in numbers):
        raise TypeError
    if not begin <= end <= size or len(shape) > 8:
        raise ValueError
    return dtype, tuple(shape)
