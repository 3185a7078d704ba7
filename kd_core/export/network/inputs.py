"""How a user's file becomes an input of a network, as plain values for config.json."""

from __future__ import annotations

from typing import Any

from kd_core.datasets import Data, Dataset


def describe_inputs(dataset: Dataset, data: Data) -> dict[str, Any]:
    """Return what predict.py needs to prepare a picture or the row of a table.

    Pictures are cropped to the middle square, resized with antialiasing and standardised by channel. Of a table each
    column is standardised, or turned into one number per word; a text becomes its characters.
    """
    if data.has_images:
        channels, height, width = data.shape
        mean, std = ((list(values) * channels)[:channels] for values in (data.mean, data.std))
        return {
            "kind": "images", "noun": f"pictures of {width} × {height} pixels", "channels": channels, "height": height,
            "width": width, "mean": mean, "std": std,
        }  # fmt: skip
    columns = [dict(column) for column in dataset.columns(data)]
    noun = "rows of " + ", ".join(column["name"] for column in columns)
    return {"kind": "columns", "noun": noun, "columns": columns, "shape": list(data.shape)}
