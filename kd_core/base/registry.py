"""Registry of plug-in classes by group and name.

Every module in the folders ``tasks``, ``datasets``, ``models``, ``methods`` and ``schemes`` (underscored ones aside)
defines exactly one :class:`Plugin`; there is no list to edit. :mod:`kd_core.base.discovery` finds them, and those from
outside.

What is given from Python (a module, tensors, a loss function) becomes a class as well, under a key such as
``python:SmallNet:3f2a91c0``. It is found by that key and is in no list.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
from abc import ABC
from collections.abc import Mapping
from types import ModuleType
from typing import Any, ClassVar

from kd_core.base import discovery
from kd_core.base.discovery import PluginError
from kd_core.base.options import Options, options_of

# The package of a group and the class that its plug-ins derive from.
GROUPS = {"tasks": "Task", "datasets": "Dataset", "models": "Model", "methods": "Method", "schemes": "Scheme"}
# Keys of what was given from Python: a name and a digest, of which the first eight digits are of the structure.
FROM_PYTHON = "python:"
PYTHON_KEY = re.compile(rf"{FROM_PYTHON}\w{{1,40}}:[0-9a-f]{{8,40}}", re.ASCII)


class Plugin(Options, ABC):
    """Base class of everything that is chosen by name, a frozen dataclass whose fields are its options."""

    required: ClassVar[tuple[str, ...]] = ("title",)  # class attributes that may not be empty

    title: ClassVar[str] = ""  # on screen
    aliases: ClassVar[tuple[str, ...]] = ()  # other names that it is found by, such as the acronym of its paper
    summary: ClassVar[str] = ""  # one sentence
    family: ClassVar[str] = "other"  # heading in lists

    @property
    def name(self) -> str:
        """Key in configurations, links and lists, which is the name of the file or of the entry point."""
        return _keys.get(type(self)) or type(self).__module__.rsplit(".", 1)[-1]

    @property
    def short_name(self) -> str:
        """Key in messages; see :func:`short_name`."""
        return short_name(self.name)

    def to_dict(self) -> dict[str, Any]:
        """Return name and options, as :func:`make` reads them."""
        return {"name": self.name, **self.values()}


_keys: dict[type[Plugin], str] = {}  # of the classes from outside
_from_python: dict[tuple[str, str], type[Plugin]] = {}  # by group and key


def plugins(group: str, *, outside: bool = True) -> Mapping[str, type[Plugin]]:
    """Return all classes of one group by key, built-in ones first; without ``outside`` those alone."""
    return discovery.members(group, f"kd_core.{group}", _plugin_class, outside=outside)


def short_name(key: str) -> str:
    """Return a key, that of what was given from Python without prefix and digest."""
    return key.split(":")[1] if PYTHON_KEY.fullmatch(key) else key


def register(group: str, key: str, cls: type[Plugin]) -> None:
    """Make a class of what was given from Python available under its key, until the process ends."""
    assert PYTHON_KEY.fullmatch(key), key
    _from_python[group, key] = cls
    _keys[cls] = key


def registered(group: str, key: str) -> type[Plugin] | None:
    """Return the class of what was given from Python to this process; None if nothing was."""
    return _from_python.get((group, key))


def problems() -> tuple[str, ...]:
    """Return one sentence for each plug-in from outside that cannot be used, with file, reason and remedy."""
    for group in GROUPS:
        plugins(group)
    importlib.import_module("kd_core.config.presets").sources()
    importlib.import_module("kd_core.config.claims").claims()
    importlib.import_module("kd_core.config.lessons").lessons()
    return discovery.problems()


def find_plugin(group: str, name: str, label: str = "") -> type[Plugin]:
    """Return the class with this key, alias or title, in any case.

    Raises:
        ValueError: There is none; the sentence has ``label`` and every allowed key.
    """
    if name.startswith(FROM_PYTHON):
        return _class_from_python(group, name, label)
    classes = plugins(group)
    if name in classes:
        return classes[name]
    wanted = name.strip().casefold()
    for key, cls in classes.items():
        if wanted in (text.casefold() for text in (key, *cls.aliases, cls.title)):
            return cls
    raise ValueError(f'{label or group} = "{name}": choose one of {", ".join(classes)}.')


def find_key(group: str, name: str, label: str = "") -> str:
    """Return the key of :func:`find_plugin`'s class, as configurations store it. Raises ValueError."""
    cls = find_plugin(group, name, label)
    if name.startswith(FROM_PYTHON):
        return name
    return next(key for key, candidate in plugins(group).items() if candidate is cls)


def full_title(cls: type[Plugin]) -> str:
    """Return the title with the aliases that it does not contain, as in "Attention transfer (AT)"."""
    missing = [alias for alias in cls.aliases if alias not in cls.title]
    return f"{cls.title} ({', '.join(missing)})" if missing else cls.title


def make(group: str, body: Mapping[str, Any]) -> Any:
    """Return the plug-in that :meth:`Plugin.to_dict` described.

    Raises TypeError for what is no mapping, and ValueError for a bad name or option.
    """
    if not isinstance(body, Mapping):
        raise TypeError(f"{body!r} instead of a name with options")
    values = dict(body)
    cls = find_plugin(group, str(values.pop("name", "")))
    unknown = set(values) - set(options_of(cls))
    if unknown:
        raise ValueError(f"{cls.title} has no option called {', '.join(sorted(unknown))}.")
    return cls(**values)


def _class_from_python(group: str, key: str, label: str) -> type[Plugin]:
    """Return the registered class, or the one that a data folder describes. Raises ValueError."""
    cls = registered(group, key)
    if cls is None and PYTHON_KEY.fullmatch(key) and group != "schemes":
        cls = importlib.import_module(f"kd_core.{group}._python").described(key)
        if cls is not None:
            register(group, key, cls)
    if cls is None:
        raise ValueError(
            f'{label or group} = "{short_name(key)}": this was given from Python, and is not described in the data '
            "folder. Pass the object itself, in Python."
        )
    return cls


def _plugin_class(group: str, key: str, value: object, _: Mapping[str, type[Plugin]]) -> type[Plugin]:
    """Return the class that a module defines or that an entry point names. Raises PluginError."""
    if isinstance(value, ModuleType):
        cls = _only_class(value)
    elif isinstance(value, type) and issubclass(value, Plugin):
        cls = value
    else:
        raise PluginError("it is neither a module nor a class", "let the entry point name one of the two")
    if not cls.__module__.startswith("kd_core."):
        _check(group, cls)
        _keys[cls] = key
    return cls


def _only_class(module: ModuleType) -> type[Plugin]:
    classes = [
        cls
        for _, cls in inspect.getmembers(module, inspect.isclass)
        if issubclass(cls, Plugin) and cls.__module__ == module.__name__
    ]
    if len(classes) != 1:
        names = ", ".join(cls.__name__ for cls in classes) or "none"
        raise PluginError(
            f"it must define exactly one plug-in class and defines {len(classes)} ({names})",
            "leave one, and keep base classes in a file whose name begins with an underscore",
        )
    return classes[0]


def _check(group: str, cls: type[Plugin]) -> None:
    """Check the class of a plug-in from outside. Raises PluginError."""
    base = getattr(importlib.import_module(f"kd_core.{group}"), GROUPS[group])
    if not issubclass(cls, base):
        raise PluginError(
            f"{cls.__name__} does not derive from {base.__name__}", f"derive it from kd_core.{group}.{base.__name__}"
        )
    if "__dataclass_params__" not in vars(cls):
        raise PluginError(f"{cls.__name__} is not a dataclass", "decorate it with @dataclass(frozen=True)")
    if lacking := [name for name in cls.required if not getattr(cls, name, "")]:
        raise PluginError(f"{cls.__name__} lacks {', '.join(lacking)}", "set the class attribute")
    if lacking := sorted(getattr(cls, "__abstractmethods__", ())):
        raise PluginError(f"{cls.__name__} lacks {', '.join(lacking)}", "define the method")
    check_options(group, cls)
    try:
        cls()
    except Exception as error:
        raise PluginError(f"{cls.__name__}() raises {type(error).__name__} ({error})", "correct its options") from error


def check_options(group: str, cls: type[Plugin]) -> None:
    """Check that the options are declared, valid, and named unlike other settings of a run. Raises PluginError."""
    declared = options_of(cls)
    remedy = "declare it with a function of kd_core.base.options"
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]
        if field.name not in declared:
            raise PluginError(f"the field {field.name} is no option", remedy)
        try:
            declared[field.name].check(field.name, field.default)
        except Exception as error:
            reason = str(error).rstrip(".")
            raise PluginError(f"the option {field.name} is not declared correctly ({reason})", remedy) from error
    taken = sorted(set(declared) & importlib.import_module("kd_core.config.validation").taken_names(group))
    if taken:
        raise PluginError(f"other settings of a run are called {', '.join(taken)}", "rename the option")
