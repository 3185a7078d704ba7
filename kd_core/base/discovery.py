"""Discovery of plug-ins in the package, in folders of ``DISTILLERY_PLUGINS``, and in entry points.

``DISTILLERY_PLUGINS`` names one or more folders, separated as in ``PATH``, with the subfolders ``tasks``,
``datasets``, ``models``, ``methods``, ``schemes``, ``presets``, ``claims`` and ``lessons``; every Python file in those
whose name does not begin with an underscore is a plug-in. Entry points have the groups ``distillery.datasets`` and so
on, the key as name, and a module or a class as value. A broken plug-in from outside becomes a sentence; a broken
built-in one raises.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import pkgutil
import re
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

GROUPS = ("tasks", "datasets", "models", "methods", "schemes", "presets", "claims", "lessons")
VARIABLE = "DISTILLERY_PLUGINS"
PACKAGE = "distillery_plugins"  # holds the modules of the folders, as distillery_plugins.methods.cosine
KEY = re.compile(r"[a-z][a-z0-9_]*")

Member = TypeVar("Member")
# Group, key, module or class, and the members so far -> what is registered. Raises PluginError.
Check = Callable[[str, str, object, Mapping[str, Member]], Member]

_members: dict[tuple[str, bool], Mapping[str, Any]] = {}
_problems: dict[str, list[str]] = {}
_lock = threading.RLock()  # a module must not be executed twice, which would define its class twice


class PluginError(ValueError):
    """What is wrong with a plug-in, and the remedy, both as parts of a sentence."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(f"{reason}; {remedy}.")


def members(group: str, package: str, check: Check[Member], *, outside: bool = True) -> Mapping[str, Member]:
    """Return what ``check`` makes of every module of a built-in package and of every plug-in from outside, by key.

    The result is kept until :func:`reload`. Without ``outside``: of the built-in modules alone.
    """
    if (group, outside) not in _members:
        with _lock:
            if (group, outside) not in _members:
                if outside:
                    built_in = members(group, package, check, outside=False)
                    _members[group, outside] = _with_outside(group, built_in, check)
                else:
                    _members[group, outside] = _built_in(group, package, check)
    return _members[group, outside]


def problems() -> tuple[str, ...]:
    """Return the sentences on the plug-ins from outside that could not be used, of the groups read so far."""
    return (*_folder_problems(), *(sentence for group in GROUPS for sentence in _problems.get(group, ())))


def reload() -> None:
    """Forget all plug-ins from outside; the next use reads the folders and the entry points again."""
    with _lock:
        # A copy, since another thread may import something.
        for name in [name for name in list(sys.modules) if name.split(".")[0] == PACKAGE]:
            del sys.modules[name]
        _members.clear()
        _problems.clear()
        importlib.invalidate_caches()


def _built_in(group: str, package: str, check: Check[Member]) -> dict[str, Member]:
    folder = importlib.import_module(package)
    names = sorted(info.name for info in pkgutil.iter_modules(folder.__path__) if not info.name.startswith("_"))
    return {name: check(group, name, importlib.import_module(f"{package}.{name}"), {}) for name in names}


def _with_outside(group: str, built_in: Mapping[str, Member], check: Check[Member]) -> dict[str, Member]:
    """Add the plug-ins from outside, and record a sentence for each that cannot be used."""
    result = dict(built_in)
    sources = dict.fromkeys(built_in, "a built-in one")
    sentences = _problems[group] = []
    for key, source, load in (*_files(group), *_entry_points(group)):
        try:
            if not KEY.fullmatch(key):
                raise PluginError(f'"{key}" is no name', "use lower-case letters, digits and underscores")
            if key in sources:
                raise PluginError(f'the name "{key}" belongs to {sources[key]}', "choose another name")
            result[key] = check(group, key, _imported(load), result)
            sources[key] = source
        except PluginError as error:
            sentences.append(f"{source} is left out: {error}")
    return result


def _files(group: str) -> Iterator[tuple[str, str, Callable[[], object]]]:
    """Key, path and loader of every plug-in file of a group."""
    paths = [str(folder / group) for folder in _folders() if (folder / group).is_dir()]
    for name, search in ((PACKAGE, []), (f"{PACKAGE}.{group}", paths)):
        module = sys.modules.setdefault(name, ModuleType(name))
        module.__path__ = search
    for path in paths:
        for info in pkgutil.iter_modules([path]):
            if not info.name.startswith("_"):
                source = str(Path(path) / info.name) + ("" if info.ispkg else ".py")
                yield info.name, source, partial(importlib.import_module, f"{PACKAGE}.{group}.{info.name}")


def _entry_points(group: str) -> Iterator[tuple[str, str, Callable[[], object]]]:
    """Key, description and loader of every entry point of a group."""
    for point in sorted(importlib.metadata.entry_points(group=f"distillery.{group}"), key=lambda point: point.name):
        package = point.dist.name if point.dist else "an installed package"
        yield point.name, f"{point.value} of {package}", point.load


def _imported(load: Callable[[], object]) -> object:
    """Load a plug-in. Raises PluginError for whatever that raises."""
    try:
        return load()
    except (Exception, SystemExit) as error:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__)[1:] if "importlib" not in frame.filename]
        line = f", line {frames[0].lineno}" if frames and not isinstance(error, SyntaxError) else ""
        message = " ".join(str(error).split())
        raise PluginError(f"it cannot be imported ({type(error).__name__}: {message}{line})", "correct it") from error


def _folders() -> list[Path]:
    return [Path(name).expanduser() for name in os.environ.get(VARIABLE, "").split(os.pathsep) if name.strip()]


def _folder_problems() -> list[str]:
    listed = ", ".join(GROUPS)
    return [
        f"{folder} in {VARIABLE} has no plug-ins: it needs a subfolder called one of {listed}."
        for folder in _folders()
        if not any((folder / group).is_dir() for group in GROUPS)
    ]
