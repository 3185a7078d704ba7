"""Roles of the columns of a table, from their names and values."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from kd_core.files.limits import LARGEST, MAX_CLASSES, MAX_ROWS, SMALLEST, RefusedError, quoted
from kd_core.files.uploads.csv_reader import LABEL_NAMES, Row, Table
from kd_core.files.uploads.splits import FOLDERS
from kd_core.files.uploads.understanding import MULTI_LABEL, REGRESSION, Choices, LeftOut

BLOCK = 1000  # rows that are looked at together
MOSTLY = 0.9  # fraction of the cells of a column by which it is one of numbers, or of pixels
MAX_WORDS = 100  # different words of a column that becomes one input for each
FEW_NUMBERS = 20  # different numbers of a column that may be classes
MISSING = {"", "?", "-", "na", "n/a", "nan", "null", "none", "nil", "#n/a", "missing"}  # in small letters
SPLIT_NAMES = ("split", "set", "subset", "partition", "fold", "usage")
ID_NAMES = re.compile(
    r"(unnamed.*|.*\(unnamed\)|index|idx|id|.*[ _-]id|row|rows?[ _-]?(number|names?|id)?|nr|no|#)", re.I
)
SEPARATORS = ("|", ";", ",")  # between the labels of one example
LABEL_PREFIX = re.compile(r"(label|class|tag|target|y)[ _.:-]", re.I)
DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")


@dataclass
class Profile:
    """Values of one column."""

    name: str
    count: int = 0  # cells that are not missing
    missing: int = 0
    numbers: int = 0  # finite or not
    commas: int = 0  # of these with a decimal comma
    whole: int = 0  # of these without a fraction
    grey: int = 0  # of these whole and from 0 to 255
    unit: int = 0  # of these from 0 to 1
    low: float = np.inf
    high: float = -np.inf
    counts_up: bool = True  # each is one more than the number before
    values: Counter[str] | None = field(default_factory=Counter)  # None for more than may be classes
    letters: int = 0  # of all cells
    last: float = np.nan

    @property
    def is_number(self) -> bool:
        """Whether nearly all cells are numbers."""
        return self.count > 0 and self.numbers >= MOSTLY * self.count

    @property
    def is_whole(self) -> bool:
        """Whether all numbers are whole."""
        return self.whole == self.numbers

    @property
    def different(self) -> int:
        """Number of different values; more than the classes that are allowed count as one more than those."""
        return MAX_CLASSES + 1 if self.values is None else len(self.values)

    def add(self, cells: Sequence[str]) -> None:
        """Count the cells of some rows."""
        present: Sequence[str] = cells
        numbers = to_numbers(cells)
        if np.isnan(numbers).any():  # missing cells, or words
            present = [cell for cell in map(str.strip, cells) if cell.lower() not in MISSING]
            numbers = to_numbers(present)
        self.letters += len("".join(present))
        self.count += len(present)
        self.missing += len(cells) - len(present)
        if self.values is not None:
            self.values.update(map(str.strip, present))
            self.values = self.values if len(self.values) <= MAX_CLASSES else None
        if "," in "".join(present):
            self.commas += sum("," in cell for cell, number in zip(present, numbers, strict=True) if number == number)  # noqa: PLR0124
        numbers = numbers[~np.isnan(numbers)]
        if not len(numbers):
            self.counts_up = False
            return
        is_whole = numbers == np.floor(numbers)  # of infinite ones, too
        self.numbers += len(numbers)
        self.whole += int(is_whole.sum())
        self.grey += int((is_whole & (numbers >= 0) & (numbers <= 255)).sum())
        self.unit += int(((numbers >= 0) & (numbers <= 1)).sum())
        finite = numbers[np.isfinite(numbers)]
        self.low, self.high = finite.min(initial=self.low), finite.max(initial=self.high)
        steps = np.diff(np.append(self.last, numbers) if self.numbers > len(numbers) else numbers)
        self.counts_up = self.counts_up and len(numbers) == len(cells) and bool((steps == 1).all())
        self.last = float(numbers[-1])


def to_numbers(cells: Sequence[str]) -> np.ndarray:
    """Return cells as numbers (N,), with NaN for those that are none; a decimal comma is read as a point."""
    try:
        if "_" not in "".join(cells):  # float() accepts "1_0"
            return np.fromiter(map(float, cells), np.float64, len(cells))
    except ValueError:
        pass
    return np.array([_number(cell) for cell in cells], np.float64)


def _number(cell: str) -> float:
    text = cell.strip()
    if DECIMAL_COMMA.fullmatch(text):
        text = text.replace(",", ".")
    try:
        return float(text) if "_" not in text else np.nan
    except ValueError:
        return np.nan


def blocks(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Yield the rows in lists of at most :data:`BLOCK`."""
    iterator = iter(rows)
    while block := list(islice(iterator, BLOCK)):
        yield block


def profile(table: Table) -> tuple[list[Profile], list[LeftOut]]:
    """Return the profile of every column, and the rows that have another number of columns."""
    profiles, left_out = [Profile(name) for name in table.names], []
    width, count = len(profiles), 0
    for block in blocks(table.rows()):
        for line, cells in block:
            if len(cells) != width:
                where = table.place(line)
                reason = f"{where} has {len(cells):,} columns, and the first one {width:,}: give each the same."
                left_out.append(LeftOut(where, reason))
        fitting = [cells for _, cells in block if len(cells) == width]
        count += len(fitting)
        if count > MAX_ROWS:
            raise RefusedError(f"it has more than {MAX_ROWS:,} examples: give fewer {table.unit}s.")
        for one, cells in zip(profiles, zip(*fitting, strict=True), strict=False):
            one.add(cells)
    if not count:
        raise RefusedError(left_out[0].reason if left_out else "it holds no examples: give one per line.")
    return profiles, left_out


@dataclass(frozen=True)
class Roles:
    """What the columns of a table are, by position."""

    kind: str
    labels: tuple[int, ...]
    split: int | None
    ignored: dict[int, str]  # with the reason
    inputs: tuple[int, ...]
    is_unit: bool = False  # pixels are fractions of 1


def roles(table: Table, profiles: Sequence[Profile], choices: Choices, pictures: int | None = None) -> Roles:
    """Return the roles that the choices give, and otherwise those that names and values suggest.

    Args:
        table: The table.
        profiles: Values of its columns.
        choices: What the user has decided.
        pictures: Position of the column that names image files, which are the only inputs then.

    Raises:
        RefusedError: There is no column of the chosen name, or none that can be the label.
    """
    names = _positions(table, choices)
    ids = _ids(table, profiles)
    if pictures is not None:
        ids[pictures] = "it names the images"
    labels = tuple(names[name] for name in choices.label) or _label(
        table, profiles, ids, has_pictures=pictures is not None
    )
    split = next((at for at in range(len(profiles)) if at not in labels and _is_split(profiles[at])), None)
    if pictures is not None:
        others = set(range(len(profiles))) - {*labels, split, pictures}
        ignored = dict.fromkeys(sorted(others), "only the image is an input")
        kind = f"{_target('table', [profiles[at] for at in labels], choices)} images".strip()
        return Roles(kind, labels, split, ignored, (pictures,))
    if choices.ignore is not None:
        chosen = [names[name] for name in choices.ignore if names[name] not in labels]
        ignored = {at: ids.get(at) or _useless(profiles[at]) or "as you chose" for at in chosen}
    else:
        ignored = {at: reason for at, reason in ids.items() if at not in labels and at != split}
    inputs = tuple(at for at in range(len(profiles)) if at not in ignored and at not in labels and at != split)
    pixels = [profiles[at] for at in inputs]
    if not inputs:
        raise RefusedError("it has no column but the label: give inputs as well.")
    is_unit = bool(pixels) and all(one.is_number for one in pixels) and max(one.high for one in pixels) <= 1
    if choices.kind == "images" or (choices.kind == "auto" and _is_pixels(pixels, is_unit=is_unit)):
        shape(len(inputs))
        kind = "images"
    else:
        kind = "table"
        if choices.ignore is None:
            ignored |= {at: reason for at in inputs if (reason := _useless(profiles[at]))}
            inputs = tuple(at for at in inputs if at not in ignored)
        text = _text(profiles, (*labels, split, *ids), inputs, ignored, choices)
        if text is not None:
            others = set(range(len(profiles))) - {*labels, split, text}
            ignored = {at: ignored.get(at, "only the text is an input") for at in sorted(others)}
            kind = _kind("text", [profiles[at] for at in labels], choices)
            return Roles(kind, labels, split, ignored, (text,))
        if not inputs:
            raise RefusedError("none of its columns but the label tells examples apart: give others.")
        if too_many := [profiles[at] for at in inputs if not profiles[at].is_number and profiles[at].values is None]:
            name = quoted(too_many[0].name)
            raise RefusedError(f"{name} has more than {MAX_CLASSES:,} different words: ignore this column.")
        if all(profiles[at].is_number for at in inputs) and len(inputs) == 2:
            kind = "points"
    return Roles(_kind(kind, [profiles[at] for at in labels], choices), labels, split, ignored, inputs, is_unit)


def _positions(table: Table, choices: Choices) -> dict[str, int]:
    """Return the positions of the columns by name. Raises RefusedError for a chosen name that none has."""
    names = {name: position for position, name in enumerate(table.names)}
    for name in (*choices.label, *(choices.ignore or ())):
        if name not in names:
            raise RefusedError(f"it has no column {quoted(name)}; it has {_listed(table.names)}.")
    return names


def _text(
    profiles: Sequence[Profile],
    others: Sequence[int | None],
    inputs: Sequence[int],
    ignored: Mapping[int, str],
    choices: Choices,
) -> int | None:
    """Return the position of the column of texts that are the inputs of a table; None if the inputs are others.

    It is the only input, or the one that was ignored for being a text. If texts are chosen it is the column of words
    with the most letters among all but ``others``.
    """
    if choices.kind == "text":
        words = [at for at, one in enumerate(profiles) if at not in others and one.count and not one.is_number]
        if not words:
            raise RefusedError("none of its columns but the label holds text: choose kind = table.")
        return max(words, key=lambda at: profiles[at].letters / profiles[at].count)
    texts = inputs or [at for at, reason in ignored.items() if reason.startswith("text")]
    return texts[0] if choices.kind == "auto" and len(texts) == 1 and is_text(profiles[texts[0]]) else None


def is_text(one: Profile) -> bool:
    """Return whether the cells of a column are texts, most of which are different."""
    return _useless(one).startswith("text")


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 8:,} more" if len(names) > 8 else ""
    return ", ".join(map(quoted, names[:8])) + more


def _ids(table: Table, profiles: Sequence[Profile]) -> dict[int, str]:
    """Return the columns that number or name the examples."""
    reasons = {}
    for position, one in enumerate(profiles):
        is_named_id = table.has_names and ID_NAMES.fullmatch(one.name) is not None
        is_unnamed = not table.has_names and len(profiles) > 3 and position == 0
        differs = not one.missing and one.count > 2 and (one.values is None or len(one.values) == one.count)
        is_whole_among_fractions = one.is_number and one.is_whole and any(not other.is_whole for other in profiles)
        if one.counts_up and one.count > 2 and (is_named_id or is_unnamed):
            reasons[position] = "it numbers the examples"
        elif differs and (is_named_id or (is_unnamed and is_whole_among_fractions)):
            reasons[position] = "it names the examples"
    return reasons


def _label(table: Table, profiles: Sequence[Profile], ids: dict[int, str], *, has_pictures: bool) -> tuple[int, ...]:
    """Return the positions of the label columns that names and values suggest.

    Beside names of image files all columns of 0 and 1 are labels, if no column has the name of one.
    """
    candidates = [at for at in range(len(profiles)) if at not in ids and not _is_split(profiles[at])]
    lowered = {at: profiles[at].name.lower() for at in candidates} if table.has_names else {}
    if {"x", "y"} <= set(lowered.values()):  # coordinates
        lowered = {at: name for at, name in lowered.items() if name not in ("x", "y", "z")}
        candidates = list(lowered) or candidates
    flags = [at for at, name in lowered.items() if LABEL_PREFIX.match(name) and _is_flag(profiles[at])]
    if 1 < len(flags) < len(profiles):
        return tuple(flags)
    named = [at for wanted in LABEL_NAMES for at, name in lowered.items() if name == wanted]
    if named:
        return (next((at for at in named if _may_be_classes(profiles[at])), named[0]),)
    flags = [at for at in candidates if _is_flag(profiles[at])]
    if has_pictures and len(flags) > 1:
        return tuple(flags)
    words = [at for at in candidates if not profiles[at].is_number and _may_be_classes(profiles[at])]
    # Tables of pixels begin with the label as a rule, others end with it.
    ends = candidates[:1] + candidates[-1:] if _side(len(candidates) - 1) else candidates[-1:] + candidates[:1]
    likely = words if len(words) == 1 else [at for at in ends if _may_be_classes(profiles[at])] + words[::-1]
    alone = [
        at for at in candidates if profiles[at].count and not profiles[at].is_number and profiles[at].different == 1
    ]
    numbers = [at for at in candidates[-1:] if profiles[at].is_number and len(profiles) > 1]
    ranked = [*likely, *alone, *numbers]
    if not ranked:
        raise RefusedError(
            f"it is not clear which column is the label: choose one with label=NAME, among {_listed(table.names)}."
        )
    return (ranked[0],)


def _may_be_classes(one: Profile) -> bool:
    """Return whether a column has few values, each of them several times, or words."""
    is_repeated = one.values is not None and 2 <= len(one.values) <= one.count / 2
    return is_repeated and (not one.is_number or (one.is_whole and may_be_codes(one.different, one.count)))


def may_be_codes(different: int, count: int) -> bool:
    """Return whether so many whole numbers, of which so many are different, may be classes."""
    return different <= min(FEW_NUMBERS, count // 2) or count >= 20 * different


def _is_flag(one: Profile) -> bool:
    return one.is_number and one.numbers == one.unit and one.is_whole and one.different == 2


def _is_split(one: Profile) -> bool:
    if one.name.lower() not in SPLIT_NAMES or not one.values or one.missing:
        return False
    return len(one.values) > 1 and all(value.lower() in FOLDERS for value in one.values)


def _useless(one: Profile) -> str:
    """Return why a column is no good as an input of a table; empty if it is."""
    if not one.count:
        return "it is empty"
    if (one.different == 1 and not (one.missing and not one.is_number)) or (
        one.is_number and one.high - one.low <= max(1e-5 * max(abs(one.high), abs(one.low)), 1e-30)
    ):
        return "its values are all the same, or nearly so for their size"
    has_letters = one.letters > 12 * one.count
    is_rare = 2 * one.different > one.count and (one.different > FEW_NUMBERS or has_letters)
    if not one.is_number and (one.different > MAX_WORDS or is_rare):
        count = "many" if one.values is None else one.different
        return f"{'text' if has_letters else 'words'} with {count} different values"
    return ""


def _side(count: int) -> int:
    """Return the side of an image of ``count`` values, 0 if there is none."""
    try:
        return shape(count)[0]
    except RefusedError:
        return 0


def shape(count: int) -> tuple[int, int]:
    """Return side and channels of an image with ``count`` values. Raises RefusedError if there is none."""
    for channels in (1, 3):
        side = round((count / channels) ** 0.5)
        if side * side * channels == count and SMALLEST <= side <= LARGEST:
            return side, channels
    raise RefusedError(
        f"its lines have {count:,} columns beside the label: for images give n · n or 3 · n · n pixels, with n from "
        f"{SMALLEST} to {LARGEST}."
    )


def _is_pixels(pixels: Sequence[Profile], *, is_unit: bool) -> bool:
    if not _side(len(pixels)) or not all(one.is_number for one in pixels):
        return False
    count = sum(one.numbers for one in pixels)
    good = sum(one.unit if is_unit else one.grey for one in pixels)
    return good >= MOSTLY * count and not any(one.missing > one.count for one in pixels)


def _kind(kind: str, labels: Sequence[Profile], choices: Choices) -> str:
    """Return the kind of the examples, which depends on the label; of a table of numbers and words on it alone."""
    target = _target(kind, labels, choices)
    return kind if not target else target if kind in ("table", "points") else f"{target} {kind}"


def _target(kind: str, labels: Sequence[Profile], choices: Choices) -> str:
    """Return what :func:`~kd_core.files.uploads.understanding.target_of` does of the kind of the examples."""
    if choices.task != "auto":
        return ""
    if len(labels) > 1:
        return MULTI_LABEL if all(map(_is_flag, labels)) else ""
    (label,) = labels
    if label.is_number:
        is_class = _may_be_classes(label) or (kind == "images" and label.is_whole)
        return "" if is_class else REGRESSION
    return MULTI_LABEL if separator_of(label) else ""


def separator_of(label: Profile) -> str:
    """Return what separates the labels of one example in a column of words; empty if nothing does."""
    for separator in SEPARATORS:
        if label.values is None:
            continue
        parts = {part.strip() for value in label.values for part in value.split(separator)}
        several = sum(count for value, count in label.values.items() if separator in value)
        is_several = separator != "," or len(parts) <= len(label.values)  # a name may have a comma in it
        if several >= 0.05 * label.count and "" not in parts and is_several:
            return separator
    return ""
