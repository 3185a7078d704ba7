"""Pictures of the masks and boxes that networks predict while they train."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import torch

from kd_core.analysis.examples.thumbnails import of_input, png
from kd_core.base.events import Predicted
from kd_core.base.marks import CLASSES, percent
from kd_core.datasets import Data

GROUND, NONE = "#d4d4d4", "#ffffff"  # of the first class, mostly the background, and of pixels without a class
SIDE = 100  # units of a picture with boxes


@dataclass(frozen=True)
class Picture:
    """A data URI and what it shows, in words."""

    src: str
    text: str


def pictures(data: Data, event: Predicted, roles: Sequence[str]) -> dict[str, Picture]:
    """Return what these roles predict for the image of the event, and beside masks the image itself, as "image"."""
    image = of_input(data, data.validation.inputs[event.image : event.image + 1])
    if event.boxes:
        return {role: _boxes(image, event.boxes[role], data.classes, has_scores=role != "labels") for role in roles}
    masks = {role: _mask(event.masks[role], event.size, data.classes) for role in roles}
    return {"image": Picture(image, f"image {event.image + 1:,}"), **masks}


def legend(data: Data, event: Predicted) -> dict[str, str]:
    """Return the colour of every class that the pictures of an event can have."""
    names = data.classes if event.masks else data.classes[:-1]  # the last class of cells is the background
    return dict(zip(names, _colours(len(names), has_ground=bool(event.masks)), strict=True))


def _colours(count: int, *, has_ground: bool) -> list[str]:
    classes = CLASSES["light"]
    cycle = [classes[number % len(classes)] for number in range(count)]
    return [GROUND, *cycle][:count] if has_ground else cycle


def _mask(encoded: str, size: Sequence[int], classes: Sequence[str]) -> Picture:
    mask = torch.frombuffer(bytearray(base64.b64decode(encoded)), dtype=torch.uint8).long().reshape(*size)
    colours = _colours(len(classes), has_ground=True)
    palette = torch.tensor([list(bytes.fromhex(colour[1:])) for colour in (*colours, NONE)], dtype=torch.uint8)
    present = ", ".join(classes[number] for number in torch.unique(mask).tolist() if number < len(classes))
    return Picture(png(palette[mask.clamp(max=len(classes))], is_written=False), present)


def _boxes(image: str, boxes: Sequence[Sequence[float]], classes: Sequence[str], *, has_scores: bool) -> Picture:
    """Return an image with boxes, each with its class, and its score unless it is true."""
    shapes, texts, colours = [], [], _colours(len(classes), has_ground=False)
    for number, score, x0, y0, x1, y1 in boxes:
        texts.append(classes[int(number)] + (f" {percent(score, 0)}" if has_scores else ""))
        x, y, width, height = (round(SIDE * value, 1) for value in (x0, y0, x1 - x0, y1 - y0))
        shapes.append(
            f'<rect x="{x}" y="{y}" width="{width}" height="{height}" fill="none" stroke="{colours[int(number)]}" '
            f'stroke-width="2"><title>{escape(texts[-1])}</title></rect>'
        )
    drawn = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIDE} {SIDE}" width="{SIDE}" height="{SIDE}">'
        f'<image href="{image}" width="{SIDE}" height="{SIDE}" preserveAspectRatio="none"/>{"".join(shapes)}</svg>'
    )
    src = "data:image/svg+xml;base64," + base64.b64encode(drawn.encode()).decode()
    return Picture(src, ", ".join(texts) or "no box")
