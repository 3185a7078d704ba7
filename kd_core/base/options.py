"""Dataclass fields with default, range and help text, their validation and their text form.

Forms, JSON, the URL, the command line and the documentation are all derived from these declarations:

    @dataclass(frozen=True)
    class Recipe(Options):
        epochs: int = whole(40, 1, 10_000, "Passes over the training set.")
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self, TypeVar

LARGEST_LOGIT = 1e6  # far from overflow, even when divided by a low temperature

AnyOptions = TypeVar("AnyOptions", bound="Options")


@dataclass(frozen=True)
class Option:
    """Declaration of one field for forms, parsers and documentation."""

    kind: str  # "number", "whole", "widths", "choice", "switch", "class", "text" or "logits"
    help: str  # one sentence
    low: float = -math.inf
    high: float = math.inf
    step: float = 1.0
    choices: tuple[str, ...] = ()
    label: str = ""  # on screen; made from the field's name if empty
    ends: tuple[str, str] = ("", "")  # labels of the two ends of the slider
    live: bool = False  # may be changed while a run trains
    log: bool = False  # the slider is logarithmic

    def allowed(self) -> str:
        """Return the allowed values in words, as the end of an error message."""
        if self.kind == "choice":
            return "choose one of " + ", ".join(self.choices)
        if self.kind == "switch":
            return "choose true or false"
        if self.kind == "class":
            return 'choose the name of a class, or "none"'
        if self.kind == "text":
            return f"choose at most {self.high:,.0f} characters"
        if self.kind == "logits":
            count = f"{self.low:g} to {self.high:,.0f}"
            return f"choose {count} numbers up to a million in size, with commas or spaces between them"
        noun = {"number": "a number", "whole": "a whole number", "widths": "whole numbers joined by '-', each"}[
            self.kind
        ]
        return f"choose {noun} from {self.low:.10g} to {self.high:.10g}"

    def check(self, name: str, value: Any) -> Any:
        """Return ``value`` in its canonical type.

        Raises:
            ValueError: The value is not allowed; the message has the name, the value and the allowed range.
        """
        try:
            return _CHECKS[self.kind](self, value)
        except (TypeError, ValueError, OverflowError):
            text = f'"{shorten(value)}"' if isinstance(value, str) else f"{value}"
            raise ValueError(f"{name} = {text}: {self.allowed()}.") from None


def _number(option: Option, value: Any) -> float:
    if isinstance(value, bool):
        raise TypeError
    return _in_range(option, float(value))


def _whole(option: Option, value: Any) -> int:
    if isinstance(value, bool) or float(value) != int(float(value)):
        raise TypeError
    return int(_in_range(option, int(float(value))))


def _widths(option: Option, value: Any) -> tuple[int, ...]:
    items = value.split("-") if isinstance(value, str) else list(value)
    if not 1 <= len(items) <= 8:
        raise ValueError
    return tuple(_whole(option, item) for item in items)


def _choice(option: Option, value: Any) -> str:
    if value not in option.choices:
        raise ValueError
    return str(value)


def _switch(_: Option, value: Any) -> bool:
    text = str(value).lower()
    if text not in ("true", "false"):
        raise ValueError
    return text == "true"


def _class(_: Option, value: Any) -> str:
    if not isinstance(value, str | int) or not str(value) or len(str(value)) > 80:
        raise ValueError
    return str(value)


def _text(option: Option, value: Any) -> str:
    if not isinstance(value, str) or len(value) > option.high:
        raise ValueError
    return value


def _logits(option: Option, value: Any) -> tuple[float, ...]:
    if isinstance(value, str):
        words = value.replace("−", "-").split()
        if len(words) > 1 and any("," in word.strip(",") for word in words):  # "1,5 2,5": decimal commas
            raise ValueError
        value = " ".join(words).replace(",", " ").split()
    numbers = tuple(float(item) for item in value)
    if not option.low <= len(numbers) <= option.high or not all(abs(number) <= LARGEST_LOGIT for number in numbers):
        raise ValueError
    return numbers


def _in_range(option: Option, number: float) -> float:
    if not option.low <= number <= option.high or not math.isfinite(number):
        raise ValueError
    return number


_CHECKS: dict[str, Callable[[Option, Any], Any]] = {
    "number": _number,
    "whole": _whole,
    "widths": _widths,
    "choice": _choice,
    "switch": _switch,
    "class": _class,
    "text": _text,
    "logits": _logits,
}


def option_field(default: Any, option: Option) -> Any:
    """Declare an option of any kind."""
    return dataclasses.field(default=default, metadata={"option": option})


def number(default: float, low: float, high: float, help: str, **more: Any) -> Any:
    """Declare a real number from ``low`` to ``high``."""
    return option_field(default, Option("number", help, low, high, **more))


def integer(default: int, low: int, high: int, help: str, **more: Any) -> Any:
    """Declare an integer from ``low`` to ``high``."""
    return option_field(default, Option("whole", help, low, high, **more))


def widths(default: tuple[int, ...], low: int, high: int, help: str, **more: Any) -> Any:
    """Declare one to eight integers from ``low`` to ``high``, as text joined by dashes ("128-64")."""
    return option_field(default, Option("widths", help, low, high, **more))


def choice(default: str, choices: tuple[str, ...], help: str, **more: Any) -> Any:
    """Declare one of ``choices``."""
    return option_field(default, Option("choice", help, choices=choices, **more))


def boolean(default: bool, help: str, **more: Any) -> Any:
    """Declare a boolean."""
    return option_field(default, Option("switch", help, **more))


def class_name(default: str, help: str, **more: Any) -> Any:
    """Declare the name of one class of the data set, or "none"; the configuration checks that the class exists."""
    return option_field(default, Option("class", help, **more))


def text(default: str, longest: int, help: str, **more: Any) -> Any:
    """Declare a text of at most ``longest`` characters."""
    return option_field(default, Option("text", help, 0, longest, **more))


def logits(default: tuple[float, ...], fewest: int, most: int, help: str, **more: Any) -> Any:
    """Declare ``fewest`` to ``most`` real numbers, as text joined by commas or spaces ("5.1, -2")."""
    return option_field(default, Option("logits", help, fewest, most, **more))


class Options:
    """Base class of frozen dataclasses made of option fields. Creating one checks every value (ValueError)."""

    def __post_init__(self) -> None:
        for name, option in options_of(type(self)).items():
            object.__setattr__(self, name, option.check(name, getattr(self, name)))

    def with_values(self, **changes: Any) -> Self:
        """Return a copy with some options changed. Raises ValueError."""
        values = self.values()
        if unknown := [name for name in changes if name not in values]:
            title, names = getattr(self, "title", type(self).__name__), ", ".join(values) or "none"
            raise ValueError(f"{title} has no option called {', '.join(unknown)}; its options: {names}.")
        return type(self)(**(values | changes))

    def values(self) -> dict[str, Any]:
        """Return names and values of the options, ready for JSON and for the constructor."""
        return {
            name: list(value) if isinstance(value := getattr(self, name), tuple) else value
            for name in options_of(type(self))
        }


_options: dict[type[Any], dict[str, Option]] = {}


def options_of(cls: type[Any]) -> dict[str, Option]:
    """Return the declared options of a class, in order."""
    if cls not in _options:  # a form asks six hundred times each time it is drawn
        _options[cls] = {f.name: f.metadata["option"] for f in dataclasses.fields(cls) if "option" in f.metadata}
    return dict(_options[cls])


def default_of(cls: type[Any], name: str) -> Any:
    """Return the declared default of an option."""
    return cls.__dataclass_fields__[name].default


def shared_options(old: type[Any], new: type[Any], texts: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the entries, named ``prefix + field``, of options that both classes declare with the same default.

    Options of one name with other defaults may be on other scales. Values that ``new`` does not allow are left out.
    """
    values, _ = parse_options(new, texts, prefix)
    shared = (name for name in values if name in options_of(old) and default_of(old, name) == default_of(new, name))
    return {prefix + name: texts[prefix + name] for name in shared}


def option_label(name: str, option: Option, owner: str = "") -> str:
    """Return the option's name on the screen, with ``owner`` ("Teacher") before it unless it begins with that."""
    label = option.label or name.replace("_", " ").capitalize()
    if not owner or label.startswith(owner[:4]):
        return label
    return f"{owner} {label[0].lower()}{label[1:]}"


def as_text(value: Any) -> str:
    """Return the text form used in the URL and on the command line, which :meth:`Option.check` reads back."""
    if isinstance(value, list | tuple) and any(isinstance(item, float) for item in value):
        return ", ".join(f"{item:.10g}" for item in value)
    if isinstance(value, list | tuple):
        return "-".join(str(item) for item in value)
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def shorten(text: str, most: int = 60) -> str:
    """Return a user's text cut to ``most`` characters, to be quoted in a sentence."""
    return text if len(text) <= most else text[: most - 1] + "…"


def parse_options(
    cls: type[AnyOptions], texts: Mapping[str, Any], prefix: str = ""
) -> tuple[dict[str, Any], list[str]]:
    """Return checked values for ``cls`` from entries named ``prefix + field``, and a sentence for each refused one."""
    values, errors = {}, []
    for name, option in options_of(cls).items():
        if prefix + name in texts:
            try:
                values[name] = option.check(prefix + name, texts[prefix + name])
            except ValueError as error:
                errors.append(str(error))
    return values, errors
