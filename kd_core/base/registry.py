"""Finds what can be chosen: a file in ``datasets``, ``models``, ``methods`` or ``schemes`` is a choice.

There is no list to edit and nothing to register. The folder is read, every module in it (underscored ones aside) must
define exactly one :class:`Plugin`, and that class is the choice.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil
from collections.abc import Mapping
from typing import Any, ClassVar

from kd_core.base.options import Options

GROUPS = ("datasets", "models", "methods", "schemes")


class Plugin(Options):
    """Base of everything that can be chosen: a frozen dataclass whose fields are its options."""

    title: ClassVar[str]  # on screen
    summary: ClassVar[str]  # one sentence, for help texts and the README
    family: ClassVar[str]  # for grouping

    @property
    def name(self) -> str:
        """The key: the name of the file that defines the class."""
        return type(self).__module__.rsplit(".", 1)[-1]

    def to_dict(self) -> dict[str, Any]:
        """Name and options, as :func:`make` reads them."""
        return {"name": self.name, **self.values()}


@functools.cache
def plugins(group: str) -> Mapping[str, type[Plugin]]:
    """All choices of one group by name, in alphabetical order."""
    package = importlib.import_module(f"kd_core.{group}")
    names = sorted(m.name for m in pkgutil.iter_modules(package.__path__) if not m.name.startswith("_"))
    return {name: _only_member(importlib.import_module(f"kd_core.{group}.{name}")) for name in names}


def _only_member(module: Any) -> type[Plugin]:
    found = [
        cls
        for _, cls in inspect.getmembers(module, inspect.isclass)
        if issubclass(cls, Plugin) and cls.__module__ == module.__name__
    ]
    if len(found) != 1:
        raise ImportError(f"{module.__name__} must define exactly one choice, found {len(found)}")
    return found[0]


def find_plugin(group: str, name: str, label: str = "") -> type[Plugin]:
    """The class of one choice. Raises ValueError naming ``label`` and every allowed name."""
    choices = plugins(group)
    if name not in choices:
        raise ValueError(f'{label or group} = "{name}": choose one of {", ".join(choices)}.')
    return choices[name]


def make(group: str, body: Mapping[str, Any]) -> Any:
    """The member that :meth:`Plugin.to_dict` described. Raises ValueError for a bad name or option."""
    values = dict(body)
    cls = find_plugin(group, str(values.pop("name", "")))
    unknown = set(values) - set(cls.__dataclass_fields__)  # type: ignore[attr-defined]
    if unknown:
        raise ValueError(f"{cls.title} has no option called {', '.join(sorted(unknown))}.")
    return cls(**values)
