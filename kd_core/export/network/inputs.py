"""How a user's file becomes an input of a network, as plain values for config.json."""

from __future__ import annotations

from typing import Any

from kd_core.datasets import Data, Dataset
from kd_core.tasks._text import alphabet_of


def describe_inputs(dataset: Dataset, data: Data) -> dict[str, Any]:
    """Return what the script beside a network needs to prepare a picture, the row of a table, or a text to continue.

    Pictures are cropped to the middle square, unless they are stretched to it, resized with antialiasing and
    standardised by channel. Of a table each column is standardised, or turned into one number per word; a text becomes
    its characters.
    """
    if data.task.can_write:
        alphabet = alphabet_of(data.classes)
        return {"kind": "text", "noun": "a text to continue", "alphabet": alphabet, "characters": data.shape[0]}
    if data.has_images:
        channels, height, width = data.shape
        mean, std = ((list(values) * channels)[:channels] for values in (data.mean, data.std))
        return {
            "kind": "images", "noun": f"pictures of {width} × {height} pixels", "channels": channels, "height": height,
            "width": width, "mean": mean, "std": std, "is_stretched": data.task.is_stretched,
        }  # fmt: skip
    columns = [dict(column) for column in dataset.columns(data)]
    noun = "rows of " + ", ".join(column["name"] for column in columns)
    return {"kind": "columns", "noun": noun, "columns": columns, "shape": list(data.shape)}


def describe_answers(data: Data) -> dict[str, Any]:
    """Return what the outputs of a network mean; empty where they are the logits of one class."""
    if settings := data.task.answer_settings:
        return dict(settings)
    if not data.task.has_class_rows:
        return {"centre": list(data.label_centre), "scale": list(data.label_scale)}
    return {"several": True} if data.has_answers else {}


def usage(data: Data) -> tuple[str, str]:
    """Return the packages that the script beside a network needs, and a command; both are empty without a script."""
    script = data.task.script
    if not script:
        return "", ""
    if data.task.can_write:
        return "torch safetensors", f'python {script} "The "'
    if data.has_images:
        return "torch safetensors pillow", f"python {script} photo.jpg"
    return "torch safetensors", f"python {script} table.csv"
