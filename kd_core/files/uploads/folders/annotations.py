"""Boxes in images as COCO JSON, YOLO text files or Pascal VOC XML, and why some cannot be used."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any
from xml.etree import ElementTree as Xml

from kd_core.files.limits import quoted
from kd_core.files.uploads.folders.image_list import READABLE, ImagePaths, is_litter
from kd_core.files.uploads.understanding import LeftOut

COCO, YOLO, VOC = "COCO JSON", "YOLO text files", "Pascal VOC XML"
MOST_BOXES = 200  # in one image
MOST_CLASSES = 200
ENTITY = re.compile(rb"<!(DOCTYPE|ENTITY)", re.IGNORECASE)
YOLO_LINE = 5  # numbers in a line: class, centre x and y, width and height

Read = Callable[[str], bytes]


@dataclass(frozen=True)
class Box:
    """Object in an image with its corners as fractions of the image."""

    name: str
    corners: tuple[float, float, float, float]


@dataclass
class Annotations:
    """Boxes by the path of the image, and what cannot be used."""

    format: str
    boxes: dict[str, list[Box]] = field(default_factory=dict)
    left_out: list[LeftOut] = field(default_factory=list)
    clipped: int = 0  # boxes that were partly outside of their image

    def add(self, image: str, where: str, name: str, corners: Sequence[float]) -> None:
        """Add a box with these corners as fractions, or say why it cannot be used."""
        self.boxes.setdefault(image, [])
        x0, y0, x1, y1 = corners
        inside = tuple(min(1.0, max(0.0, value)) if math.isfinite(value) else value for value in corners)
        reason = ""
        if not all(map(math.isfinite, corners)):
            reason = "has a coordinate that is no number"
        elif x1 <= x0 or y1 <= y0:
            reason = "has no area"
        elif inside[2] <= inside[0] or inside[3] <= inside[1]:
            reason = "lies outside of its image"
        if reason:
            self.left_out.append(LeftOut(where, f"the box {where} {reason}: correct it, or take it out."))
            return
        self.clipped += inside != tuple(corners)
        self.boxes[image].append(Box(name, (inside[0], inside[1], inside[2], inside[3])))

    def drop_crowded(self) -> None:
        """Leave out images with more than :data:`MOST_BOXES` boxes."""
        for image, boxes in list(self.boxes.items()):
            if len(boxes) > MOST_BOXES:
                reason = f"{quoted(image)} has {len(boxes):,} boxes: give at most {MOST_BOXES} for an image."
                self.left_out.append(LeftOut(image, reason))
                del self.boxes[image]


def find(files: Sequence[str], read: Read) -> Annotations | None:
    """Return the boxes of files with these paths; None where there are no images with boxes.

    An image without any is one without objects.
    """
    paths = [path for path in files if not path.endswith("/") and not is_litter(path)]
    images = [path for path in paths if PurePosixPath(path).suffix.lower() in READABLE]
    by_suffix = {suffix: [path for path in paths if path.lower().endswith(suffix)] for suffix in (".json", ".xml")}
    result: Annotations | None = None
    if images and by_suffix[".json"]:
        documents = {path: _json(read(path)) for path in by_suffix[".json"]}
        tables = {path: one for path, one in documents.items() if isinstance(one, dict) and "annotations" in one}
        result = _coco(tables, images) if tables else None
    if images and result is None and by_suffix[".xml"]:
        result = _voc({path: read(path) for path in by_suffix[".xml"]}, images)
    if images and result is None:
        result = _yolo(paths, images, read)
    if result is not None:
        result.drop_crowded()
    return result


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


Place = tuple[str, float, float]  # path, width and height of an image


def _coco(documents: Mapping[str, dict[str, Any]], images: Sequence[str]) -> Annotations:
    """Read COCO JSON, whose boxes are x, y, width and height in pixels (Lin et al. 2014)."""
    result, files = Annotations(COCO), ImagePaths(images)
    for path, document in documents.items():
        places = _coco_images(path, document, files, result)
        names = {one.get("id"): str(one.get("name", "")) for one in _dicts(document, "categories")}
        used: set[Any] = set()
        for one in _dicts(document, "annotations"):
            number, box = one.get("id"), one.get("bbox")
            where = f"{number} in {quoted(path)}"
            place, category = places.get(one.get("image_id")), names.get(one.get("category_id"))
            reason = ""
            if number is not None and number in used:
                reason = "has an id that an earlier one has: give every one an id of its own."
            elif place is None:
                reason = "belongs to an image that is not listed or cannot be used."
            elif not category:
                reason = f"has the category {one.get('category_id')}, which is not among the categories: add it there."
            elif not isinstance(box, list) or len(box) != 4:
                reason = "has no four numbers as bbox: write x, y, width and height in pixels."
            used.add(number)
            if reason or place is None or not isinstance(box, list):
                result.left_out.append(LeftOut(where, f"the annotation {where} {reason}"))
                continue
            image, width, height = place
            x, y, w, h = map(_number, box)
            result.add(image, where, str(category), (x / width, y / height, (x + w) / width, (y + h) / height))
    return result


def _coco_images(path: str, document: Mapping[str, Any], files: ImagePaths, result: Annotations) -> dict[Any, Place]:
    """Return the images of a COCO document by id, and add them, or why they cannot be used, to the result."""
    places: dict[Any, Place] = {}
    for one in _dicts(document, "images"):
        number, name = one.get("id"), str(one.get("file_name", ""))
        where, image = f"{quoted(name)} in {quoted(path)}", files.find(name, path)
        width, height = (_number(one.get(key)) for key in ("width", "height"))
        reason = ""
        if number in places:
            reason = f"{where} has the id {number} of another image: give every image an id of its own."
        elif image is None:
            reason = f"{where} is not among the files: add it, or take its entry out."
        elif not (width > 0 and height > 0):
            reason = f"{where} has no width and height: add them, since its boxes are in pixels."
        if reason or image is None:
            result.left_out.append(LeftOut(name, reason))
        else:
            places[number] = (image, width, height)
            result.boxes.setdefault(image, [])
    return places


def _voc(contents: Mapping[str, bytes], images: Sequence[str]) -> Annotations | None:
    """Read Pascal VOC XML, whose corners are in pixels from 1 on (Everingham et al. 2010)."""
    result, files, is_any = Annotations(VOC), ImagePaths(images), False
    for path, content in contents.items():
        try:
            if ENTITY.search(content[:10_000]):  # entities can be made to fill the memory
                raise Xml.ParseError
            root = Xml.fromstring(content)
        except Xml.ParseError:
            result.left_out.append(LeftOut(path, f"{quoted(path)} is no plain XML: save it again, or take it out."))
            continue
        if root.tag != "annotation":
            continue
        is_any = True
        name = root.findtext("filename") or f"{PurePosixPath(path).stem}.jpg"
        image = files.find(name, path) or files.find(f"{PurePosixPath(path).stem}{PurePosixPath(name).suffix}", path)
        width, height = (_number(root.findtext(f"size/{key}")) for key in ("width", "height"))
        if image is None or not (width > 0 and height > 0):
            fault = (
                f"names {quoted(name)}, which is not among the files" if image is None else "has no size of its image"
            )
            result.left_out.append(LeftOut(path, f"{quoted(path)} {fault}: correct it, or take it out."))
            continue
        result.boxes.setdefault(image, [])
        for number, one in enumerate(root.findall("object"), start=1):
            where, label = f"{number} in {quoted(path)}", (one.findtext("name") or "").strip()
            if not label:
                result.left_out.append(LeftOut(where, f"the object {where} has no name: write its class there."))
                continue
            x0, y0, x1, y1 = (_number(one.findtext(f"bndbox/{key}")) for key in ("xmin", "ymin", "xmax", "ymax"))
            result.add(image, where, label, ((x0 - 1) / width, (y0 - 1) / height, x1 / width, y1 / height))
    return result if is_any else None


def _yolo(paths: Sequence[str], images: Sequence[str], read: Read) -> Annotations | None:
    """Read text files beside images or in ``labels`` beside ``images``, with a class and four fractions per line."""
    texts = {PurePosixPath(path).with_suffix("").as_posix(): path for path in paths if path.lower().endswith(".txt")}
    labels = {}
    for image in images:
        stem = PurePosixPath(image).with_suffix("").as_posix()
        swapped = re.sub(r"(^|/)images/", r"\1labels/", stem)
        if file := texts.get(swapped) or texts.get(stem):
            labels[image] = file
    if not labels:
        return None
    result, names = Annotations(YOLO), _yolo_names(paths, read)
    for image in images:
        result.boxes[image] = []
        lines = read(labels[image]).decode("utf-8", "replace").splitlines() if image in labels else []
        for number, line in enumerate(filter(str.strip, lines), start=1):
            cells = line.split()
            where = f"{number} in {quoted(labels[image])}"
            values = [_number(cell) for cell in cells]
            reason = ""
            if len(cells) < YOLO_LINE or not cells[0].isdecimal():
                reason = "is no class number and four fractions: x, y of the centre, width and height."
            elif len(cells) > YOLO_LINE:
                reason = "has more than five numbers, as outlines have: export boxes."
            elif names and int(cells[0]) >= len(names):
                reason = f"has the class {cells[0]}, and there are names of {len(names)}: add its name."
            elif any(value > 1.5 for value in values[1:]):
                reason = "has numbers above 1: divide by the width and the height of the image."
            if reason:
                result.left_out.append(LeftOut(where, f"the line {where} {reason}"))
                continue
            x, y, w, h = values[1:]
            name = names[int(cells[0])] if names else f"class {cells[0]}"
            result.add(image, where, name, (x - w / 2, y - h / 2, x + w / 2, y + h / 2))
    return result if any(result.boxes.values()) else None


def _yolo_names(paths: Sequence[str], read: Read) -> list[str]:
    """Return the names of the classes in classes.txt, or in the list ``names`` of a YAML file; empty without any."""
    for path in paths:
        name = PurePosixPath(path).name.lower()
        if name in ("classes.txt", "obj.names", "names.txt"):
            return [line.strip() for line in read(path).decode("utf-8", "replace").splitlines() if line.strip()]
    for path in paths:
        if path.lower().endswith((".yaml", ".yml")):
            text = read(path).decode("utf-8", "replace")
            if inline := re.search(r"^names:\s*\[(.*?)\]", text, re.MULTILINE | re.DOTALL):
                return [cell.strip().strip("'\"") for cell in inline[1].split(",") if cell.strip()]
            if block := re.search(r"^names:\s*\n((?:[ \t]+.*\n?|- .*\n?)+)", text, re.MULTILINE):
                return [
                    re.sub(r"^\s*(?:-|\d+:)\s*", "", line).strip("'\" ")
                    for line in block[1].splitlines()
                    if line.strip()
                ]
    return []


def _dicts(document: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    values = document.get(key)
    return [one for one in values if isinstance(one, dict)] if isinstance(values, list) else []


def _number(value: Any) -> float:
    """Return a value as a number, NaN if it is none."""
    try:
        return float(value) if not isinstance(value, bool) else math.nan
    except (TypeError, ValueError, OverflowError):
        return math.nan
