"""Browser components as ES modules, mounted by Streamlit and served from the app's static folder.

Every module with ``export default mount(`` is a component with the name of its file. ``component(name)`` returns the
function that mounts it. Mount it with a ``key``: without one it is built anew at each change of its data.

**Frames.** The payload of a live component is ``{"run": str, "from": int, "frames": [...], ...}``. Frames are
append-only; ``from`` is the position of the first one sent. A new ``run`` clears the component. Where frames are
missing (a dropped update, a page opened anew) the component sets the trigger ``resync`` to the number of frames it has;
send from there again, as ``feed.mount`` does. Frames sent twice are ignored. The fields ``feed.SENT_ONCE`` may be left
out of payloads whose ``from`` is above 0, since the component stores them until the run changes.

**Evaluations.** A run has a list of evaluations, one or more per epoch of each phase. Components of a page with the
same ``run`` show the same evaluation, without the server (``shared/state/playhead.js``). The frames of
``epoch_slider`` are the list, each ``{"x", "label", "phase", "accuracy"}``; without it, the frames of
``decision_surfaces`` may have the same fields. Frames of ``soft_targets`` and ``decision_surfaces`` have the index of
their ``evaluation``, and ``curves`` draws a line at its ``x``. Without a choice the latest evaluation is shown, or the
one that a playback of ``decision_surfaces`` has reached.

**Files.** Streamlit sends a component's script again with every update, so that script only imports the module. It
preloads all files of the component first, since otherwise each import would wait for the previous one.
``publish(folder)`` copies the files below the static folder, into a folder named by a hash of their content, so that a
changed file has a new address while imports between modules stay relative.
"""

import hashlib
import json
import os
import posixpath
import re
import shutil
import time
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import streamlit as st

_FOLDER: Final = Path(__file__).parent
MAX_AGE: Final = 24 * 3600.0  # seconds for which another server may still use the files of an earlier version
# Plotly does not work in a shadow root, since it writes styles into the head of the document and reads event targets
# there. All classes of the components begin with "dst", so that they do not collide with those of the page.
_UNISOLATED: Final = frozenset({"curves"})


def publish(folder: Path) -> None:
    """Copy Plotly and the components' files into Streamlit's static folder; call it before the first mount.

    Needs ``server.enableStaticServing``. Unchanged files are not written again.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "plotly.min.js", (files("plotly") / "package_data" / "plotly.min.js").read_bytes())
    for name, content in _files().items():
        _write(folder / _published_name() / name, content)
    for previous in folder.glob("components-*"):
        if previous.name != _published_name() and previous.stat().st_mtime < time.time() - MAX_AGE:
            shutil.rmtree(previous, ignore_errors=True)


@cache
def component(name: str) -> Callable[..., Any]:
    """Return the function that mounts a component, registered with Streamlit at first use.

    It has the parameters of Streamlit's ``ComponentRenderer``.

    Raises:
        ValueError: if there is no component of this name.
    """
    modules = _modules()
    if name not in modules:
        raise ValueError(f"No browser component {name!r}; there are {', '.join(sorted(modules))}.")
    values = {"FOLDER": f"app/static/{_published_name()}/", "FILES": _dependencies(modules[name])}
    constants = "".join(f"const {key} = {json.dumps(value)};\n" for key, value in values.items())
    loader = _files()["shared/loader.js"].decode().splitlines(keepends=True)
    script = constants + "".join(line for line in loader if not line.startswith("//"))
    renderer = st.components.v2.component(f"distillery_{name}", js=script, isolate_styles=name not in _UNISOLATED)

    def mount(*, data: Any = None, **options: Any) -> Any:
        # Streamlit would search a dictionary for tables at every update, for which it imports pandas.
        return renderer(data=[data], **options)

    return mount


def on_change(key: str, handlers: Mapping[str, Callable[[Any], None]]) -> dict[str, Callable[[], None]]:
    """Return the callbacks of a component mounted with this key, which pass the value of each state to its handler."""

    def callback(state: str) -> Callable[[], None]:
        def call() -> None:
            value = getattr(st.session_state.get(key), state, None)
            if value is not None:
                handlers[state](value)

        return call

    return {f"on_{state}_change": callback(state) for state in handlers}


@cache
def _files() -> dict[str, bytes]:
    """Return the scripts and style sheets by their path in this folder."""
    paths = sorted(path for path in _FOLDER.rglob("*") if path.suffix in {".js", ".css"})
    return {path.relative_to(_FOLDER).as_posix(): path.read_bytes() for path in paths}


@cache
def _modules() -> dict[str, str]:
    """Return the path of each component's module by the component's name."""
    return {Path(name).stem: name for name, content in _files().items() if b"export default mount(" in content}


def _dependencies(module: str) -> list[str]:
    """Return a module with its direct and indirect imports and style sheets."""
    names = [module]
    for name in names:  # the list grows during the loop
        for reference in re.findall(r'"([\w./]+\.(?:js|css))"', _files()[name].decode()):
            path = posixpath.normpath(posixpath.join(posixpath.dirname(name), reference))
            if path in _files() and path not in names:
                names.append(path)
    return names


@cache
def _published_name() -> str:
    digest = hashlib.sha256()
    for name, content in _files().items():
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return f"components-{digest.hexdigest()[:12]}"


def _write(path: Path, content: bytes) -> None:
    """Write a file atomically, since another process may be serving it."""
    if path.exists() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}")
    part.write_bytes(content)
    part.replace(path)
