"""Predict the classes, boxes, masks or numbers of your own files with the network in this folder.

    python predict.py photo.jpg folder/with/pictures
    python predict.py table.csv --json
    python predict.py 0.5,-1.25
    python predict.py "a text" texts.txt

It needs torch and safetensors, and for pictures Pillow: pip install torch safetensors pillow. It prepares a file as the
training data were prepared: config.json says how.
"""

from __future__ import annotations

import argparse
import csv
import importlib
import io
import json
import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

FOLDER = Path(__file__).resolve().parent
PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".pbm")
LUMA = (299, 587, 114)  # thousandths, ITU-R BT.601
ORIENTATION = 0x0112  # of EXIF
TURNS = ("FLIP_LEFT_RIGHT", "ROTATE_180", "FLIP_TOP_BOTTOM", "TRANSPOSE", "ROTATE_270", "TRANSVERSE", "ROTATE_90")
LABELS = ("label", "class", "target", "y")  # names of a column that is not used
BATCH = 256


def load_network() -> torch.nn.Module:
    """Return the network in eval mode, from model.py and its weights, or else from the torch.export program."""
    if (FOLDER / "model.py").is_file():
        from safetensors.torch import load_file

        sys.path.insert(0, str(FOLDER))
        network: torch.nn.Module = importlib.import_module("model").build()
        network.load_state_dict(load_file(FOLDER / "model.safetensors"))
        return network.eval().requires_grad_(False)
    programs = sorted(FOLDER.glob("*.pt2"))
    if not programs:
        raise ValueError("There is neither model.py nor a .pt2 file in this folder.")
    return torch.export.load(programs[0]).module()  # it was exported in eval mode


def read(path: str, inputs: dict[str, Any]) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield name and network input of every example in a file or folder, of numbers such as "0.5,-1.25", or of a text.

    A file that ends with .txt holds a text on each line, if the network takes texts.
    """
    file = Path(path)
    is_text = any("characters" in column for column in inputs.get("columns", ()))
    if is_text and not exists(file):
        yield path, row_input(path, {0: path}, inputs)
    elif is_text and file.suffix.lower() == ".txt":
        for number, line in enumerate(file.read_text(encoding="utf-8-sig").splitlines(), start=1):
            yield f"{path}, line {number}", row_input(path, {0: line}, inputs)
    elif file.is_dir():
        names = sorted(each for each in file.rglob("*") if each.suffix.lower() in (*PICTURES, ".csv"))
        for each in names:
            yield from read(str(each), inputs)
    elif not file.is_file():
        cells = path.split(",")
        if inputs["kind"] != "columns" or len(cells) != len(inputs["columns"]):
            raise ValueError(f"{path}: there is no such file or folder.")
        yield path, row_input(path, dict(enumerate(cells)), inputs)
    elif file.suffix.lower() in PICTURES:
        if inputs["kind"] != "images":
            raise ValueError(f"{path} is a picture, and this network takes {inputs['noun']}.")
        yield path, picture_input(file, inputs)
    else:
        yield from read_table(file, inputs)


def exists(file: Path) -> bool:
    """Return whether there is such a file or folder; a long text can be no name of one."""
    try:
        return file.exists()
    except OSError:
        return False


# -- pictures ---------------------------------------------------------------------------------------------------------


def picture_input(file: Path, inputs: dict[str, Any]) -> torch.Tensor:
    """Return the middle square of a picture as (C, H, W), resized with antialiasing, upright, and standardised.

    A picture that is stretched is used as a whole, as it is stored.
    """
    from PIL import Image

    height, width = inputs["height"], inputs["width"]
    with Image.open(file) as opened:
        opened.draft(None, (2 * width, 2 * height))  # decodes a JPEG at about the size that is needed
        image, turn = to_8_bits(opened, Image), 1
        if inputs.get("is_stretched"):
            image = image.resize((width, height), Image.Resampling.BILINEAR)
        else:
            image = square(image, width, height, Image)
            turn = opened.getexif().get(ORIENTATION, 1)  # as the camera was held
    image = image.transpose(Image.Transpose[TURNS[turn - 2]]) if 2 <= turn <= 8 else image
    pixels = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8).reshape(height, width, -1)
    if inputs["channels"] == 1 and pixels.shape[2] == 3:
        pixels = (((pixels.int() * torch.tensor(LUMA)).sum(-1) + 500) // 1000).to(torch.uint8)[..., None]
    return standardise(pixels.permute(2, 0, 1).expand(inputs["channels"], -1, -1), inputs)


def to_8_bits(image: Any, pil: Any) -> Any:
    """Return an image in grey or in colour with 8 bits; transparent parts become white."""
    if image.mode.startswith("I"):
        values = torch.frombuffer(bytearray(image.convert("I").tobytes()), dtype=torch.int32).long()
        grey = ((values * 255 + 32767) // 65535).to(torch.uint8)
        return pil.frombytes("L", image.size, bytes(grey.tolist()))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return pil.alpha_composite(pil.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("L" if image.mode in ("1", "L") else "RGB")


def square(image: Any, width: int, height: int, pil: Any) -> Any:
    """Cut out the middle of an image and resize it."""
    if image.size == (width, height):
        return image
    side = min(image.size)
    left, top = (image.width - side) / 2, (image.height - side) / 2
    return image.resize((width, height), pil.Resampling.BILINEAR, (left, top, left + side, top + side))


def standardise(pixels: torch.Tensor, inputs: dict[str, Any]) -> torch.Tensor:
    """Return bytes (C, H, W) as float32, by channel less the mean and divided by the standard deviation."""
    mean, std = (torch.tensor(inputs[name]).reshape(-1, 1, 1) for name in ("mean", "std"))
    return (pixels.float() / 255 - mean) / std


# -- tables -----------------------------------------------------------------------------------------------------------


def read_table(file: Path, inputs: dict[str, Any]) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield every row of a CSV file. A column of labels may be among the others, and is not used."""
    text = file.read_text(encoding="utf-8-sig")
    first = text.splitlines()[0] if text.strip() else ""
    delimiter = next((each for each in ";\t|," if each in first), ",")  # commas may be decimal marks
    rows = [row for row in csv.reader(io.StringIO(text), delimiter=delimiter) if any(cell.strip() for cell in row)]
    if not rows:
        raise ValueError(f"{file} holds no rows.")
    header = [cell.strip() for cell in rows[0]] if is_header(rows[0], inputs) else []
    rows = rows[1:] if header else rows
    names = [f"{file}, line {line}" for line in range(2 if header else 1, len(rows) + 2)]
    if inputs["kind"] == "images":
        yield from zip(names, pixel_inputs(names, rows, header, inputs), strict=False)
        return
    for name, row in zip(names, rows, strict=False):
        yield name, row_input(name, named_cells(name, row, header, inputs), inputs)


def is_header(row: Sequence[str], inputs: dict[str, Any]) -> bool:
    """Return whether a row names the columns."""
    cells = {cell.strip() for cell in row}
    names = {column["name"] for column in inputs.get("columns", ())}
    return bool(names & cells) or not any(is_number(cell) for cell in cells)


def is_number(cell: str) -> bool:
    """Return whether a cell is a finite number, with a point or a comma before the decimals."""
    try:
        return math.isfinite(float(cell.replace(",", "."))) and "_" not in cell
    except ValueError:
        return False


def named_cells(name: str, row: Sequence[str], header: Sequence[str], inputs: dict[str, Any]) -> dict[int, str]:
    """Return the cells of the network's columns by their position among these; by name where there is a header."""
    columns = [column["name"] for column in inputs["columns"]]
    if set(columns) <= set(header):
        if len(row) < len(header):
            raise ValueError(f"{name}: there are {len(row)} cells under {len(header)} columns.")
        return {place: row[header.index(column)] for place, column in enumerate(columns)}
    cells = row if len(row) == len(columns) else without_label(row, header, len(row) - 1)
    if len(cells) != len(columns):
        raise ValueError(f"{name}: there are {len(row)} cells, and the network takes {', '.join(columns)}.")
    return dict(enumerate(cells))


def row_input(name: str, cells: dict[int, str], inputs: dict[str, Any]) -> torch.Tensor:
    """Return the cells of one row as (D,), with numbers standardised, words as one number for each word, or a text.

    A text becomes the code points of its characters, with 0 after the last one.
    """
    values: list[float] = []
    for place, column in enumerate(inputs["columns"]):
        cell = cells[place].strip()
        if "characters" in column:
            values += map(ord, cell[: column["characters"]].ljust(column["characters"], "\0"))
            continue
        if "words" in column:
            word = cell or column.get("missing", "")
            values += [float(word == each) for each in column["words"]]
            continue
        if not is_number(cell) and column.get("missing") is None:
            raise ValueError(f"{name}: “{cell}” in the column {column['name']} is no number.")
        number = float(cell.replace(",", ".")) if is_number(cell) else float(column["missing"])
        values.append((number - column["mean"]) / column["std"])
    return torch.tensor(values, dtype=torch.float64).float().reshape(inputs["shape"])


def pixel_inputs(
    names: Sequence[str], rows: Sequence[Sequence[str]], header: Sequence[str], inputs: dict[str, Any]
) -> list[torch.Tensor]:
    """Return rows of pixels as (C, H, W); all red ones come first, then all green and all blue ones."""
    shape = inputs["channels"], inputs["height"], inputs["width"]
    count = math.prod(shape)
    pictures = []
    for name, cells in zip(names, rows, strict=False):
        row = without_label(cells, header, 0) if len(cells) == count + 1 else cells
        if len(row) != count or not all(is_number(cell) for cell in row):
            raise ValueError(f"{name}: there are {len(row)} cells, and a picture has {count} pixels from 0 to 255.")
        pictures.append(torch.tensor([float(cell) for cell in row]).reshape(shape))
    if all(float(picture.max()) <= 1 for picture in pictures):  # from 0 to 1
        pictures = [(255 * picture).round() for picture in pictures]
    return [standardise(picture, inputs) for picture in pictures]


def without_label(row: Sequence[str], header: Sequence[str], default: int) -> list[str]:
    """Return a row without the cell under a header such as "label", or else without the one at ``default``."""
    label = next((place for place, column in enumerate(header) if column.lower() in LABELS), default)
    return [cell for place, cell in enumerate(row) if place != label]


# -- answers ----------------------------------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the classes of all files, most probable first, or the boxes, masks or numbers that are predicted."""
    parser = argparse.ArgumentParser(description="Predict the classes, boxes, masks or numbers of files.")
    parser.add_argument("files", nargs="+", help="pictures, folders of pictures, CSV files, numbers, or texts")
    parser.add_argument("--top", type=int, default=3, metavar="N", help="classes that are printed; 3 by default")
    parser.add_argument("--json", action="store_true", help="print the probabilities of all classes as JSON")
    parser.add_argument("--score", type=float, default=0.3, metavar="P", help="of a box, at least; 0.3 by default")
    parser.add_argument("--masks", metavar="FOLDER", help="folder for masks as PNG, with the number of a class as grey")
    words = sys.argv[1:] if arguments is None else arguments
    # A word with a space is not an option, so that "-1,2" is a pair of numbers.
    chosen = parser.parse_args(
        [f" {word}" if word[:1] == "-" and is_number(word.split(",")[0]) else word for word in words]
    )
    config = json.loads((FOLDER / "config.json").read_text(encoding="utf-8"))
    classes, answers = config["classes"], config.get("answers", {})
    try:
        examples = [example for path in chosen.files for example in read(path.strip(), config["inputs"])]
        if not examples:
            raise ValueError("There are no pictures and no tables in these folders.")
        network = load_network()
    except (OSError, ValueError, ImportError, csv.Error) as error:
        print(error, file=sys.stderr)
        return 2
    inputs = torch.stack([values for _, values in examples])
    with torch.no_grad():
        logits = torch.cat([network(chunk) for chunk in torch.split(inputs, BATCH)])
    names = [name for name, _ in examples]
    if "boxes" in answers or "mask" in answers:
        decoded = importlib.import_module("model").decoded(logits)
        if "boxes" in answers:
            print_boxes(names, decoded, classes, answers["boxes"], least=chosen.score, as_json=chosen.json)
        else:
            print_masks(names, decoded["mask"], classes, folder=chosen.masks, as_json=chosen.json)
        return 0
    if "scale" in answers:
        print_numbers(names, logits.double(), classes, answers, as_json=chosen.json)
        return 0
    is_several = answers.get("several", False)
    probabilities_of_rows = logits.double().sigmoid() if is_several else logits.double().softmax(1)
    for (name, _), row in zip(examples, probabilities_of_rows, strict=True):
        best = row.argsort(descending=True).tolist()
        if chosen.json:
            probabilities = dict(zip(classes, row.tolist(), strict=True))
            present = [classes[place] for place in best if row[place] > 0.5]
            answer = {"classes": present} if is_several else {"class": classes[best[0]]}
            print(json.dumps({"file": name, **answer, "probabilities": probabilities}))
        else:
            print(f"{name}: " + ", ".join(f"{classes[place]} {row[place]:.1%}" for place in best[: chosen.top]))
    return 0


def print_numbers(
    names: Sequence[str], outputs: torch.Tensor, columns: Sequence[str], answers: dict[str, Any], *, as_json: bool
) -> None:
    """Print outputs (N, D) in the unit of the data."""
    numbers = outputs * torch.tensor(answers["scale"]).double() + torch.tensor(answers["centre"]).double()
    for name, row in zip(names, numbers.tolist(), strict=True):
        predicted = dict(zip(columns, row, strict=True))
        if as_json:
            print(json.dumps({"file": name, "numbers": predicted}))
        else:
            print(f"{name}: " + ", ".join(f"{column} {number:.6g}" for column, number in predicted.items()))


def print_boxes(
    names: Sequence[str],
    decoded: dict[str, torch.Tensor],
    classes: Sequence[str],
    settings: dict[str, Any],
    *,
    least: float,
    as_json: bool,
) -> None:
    """Print the objects of each picture, the best first, with boxes as fractions of its width and height."""
    columns = (decoded[key] for key in ("boxes", "scores", "classes"))
    for name, boxes, scores, labels in zip(names, *columns, strict=True):
        rows = without_duplicates(boxes, scores, labels, least, settings["overlap"])[: settings["most"]]
        objects = [
            {"class": classes[labels[row]], "score": float(scores[row]), "box": boxes[row].tolist()} for row in rows
        ]
        if as_json:
            print(json.dumps({"file": name, "objects": objects}))
            continue
        for each in objects:
            left, top, right, bottom = each["box"]
            place = f"x {left:.3f} to {right:.3f}, y {top:.3f} to {bottom:.3f}"
            print(f"{name}: {each['class']} {each['score']:.1%}, {place}")
        if not objects:
            print(f"{name}: nothing")


def without_duplicates(
    boxes: torch.Tensor, scores: torch.Tensor, labels: torch.Tensor, least: float, overlap: float
) -> list[int]:
    """Return the rows of boxes (n, 4), the best first, that overlap no better one of their class (NMS)."""
    chosen: list[int] = []
    for row in scores.argsort(descending=True, stable=True).tolist():
        if scores[row] < least:
            break
        better = boxes[[other for other in chosen if labels[other] == labels[row]]]
        corners = torch.minimum(better[:, 2:], boxes[row, 2:]) - torch.maximum(better[:, :2], boxes[row, :2])
        common = corners.clamp(min=0).prod(1)
        areas = (better[:, 2:] - better[:, :2]).prod(1) + (boxes[row, 2:] - boxes[row, :2]).prod()
        if not bool((common > overlap * (areas - common)).any()):
            chosen.append(row)
    return chosen


def print_masks(
    names: Sequence[str], masks: torch.Tensor, classes: Sequence[str], *, folder: str | None, as_json: bool
) -> None:
    """Print the fraction of the pixels of each class, and write masks (N, H, W) if there is a folder for them."""
    for number, (name, mask) in enumerate(zip(names, masks, strict=True), start=1):
        fractions = (torch.bincount(mask.flatten(), minlength=len(classes)) / mask.numel()).tolist()
        answer: dict[str, Any] = {"fractions": dict(zip(classes, fractions, strict=True))}
        if folder:
            from PIL import Image

            Path(folder).mkdir(parents=True, exist_ok=True)
            file = Path(folder) / f"{number:04d}-{Path(name).stem}.png"
            height, width = mask.shape
            Image.frombytes("L", (width, height), bytes(mask.flatten().tolist())).save(file)
            answer["mask"] = str(file)
        if as_json:
            print(json.dumps({"file": name, **answer}))
            continue
        largest = sorted(answer["fractions"].items(), key=lambda item: -item[1])
        listed = ", ".join(f"{label} {fraction:.1%}" for label, fraction in largest if fraction)
        print(f"{name}: {listed}" + (f", in {answer['mask']}" if folder else ""))


if __name__ == "__main__":
    raise SystemExit(main())
