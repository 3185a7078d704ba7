"""Plug-in classes as attributes of their package, as in ``kd_core.methods.SoftTargets``."""

from __future__ import annotations

import threading

from kd_core.base.registry import Plugin, plugins

_state = threading.local()


def plugin_class(group: str, name: str) -> type[Plugin]:
    """Return the plug-in class of a group by the name of the class. For the ``__getattr__`` of the group's package.

    Raises:
        AttributeError: if no plug-in has a class of that name.
    """
    is_loading = getattr(_state, "is_loading", False)
    # Modules have small initials. A module that is being loaded may import a name that does not exist.
    if name[:1].isupper() and not is_loading:
        _state.is_loading = True
        try:
            classes = {cls.__name__: cls for cls in plugins(group).values()}
        finally:
            _state.is_loading = False
        if name in classes:
            return classes[name]
    raise AttributeError(f"module 'kd_core.{group}' has no attribute {name!r}")


def class_names(group: str) -> list[str]:
    """Return the names of all plug-in classes of a group."""
    return sorted(cls.__name__ for cls in plugins(group).values())
