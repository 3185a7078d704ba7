"""Browser components: ES modules that Streamlit mounts, served from the app's static folder.

Every module with ``export default mount(`` is a component; its file is called after it. ``component(name)`` gives the
command that mounts it. Give every mounted component a ``key``: without one it is built anew at each change of its data.

**Frames.** The payload of a live component is ``{"run": str, "from": int, "frames": [...], ...}``. Frames are
append-only; ``from`` is the position of the first one sent. A new ``run`` clears the component. Where frames are
missing (a dropped update, a page opened anew) the component sets the trigger ``resync`` to the number of frames it has;
send from there again, as ``feed.mount`` does. Sending frames twice is harmless: the overlap is dropped. Heavy fields
(``feed.HEAVY``) may be left out of payloads whose ``from`` is above 0: the component keeps them for the run.

**Moments.** A run has a list of moments (say, one per epoch and phase); a moment is an index into it. Components of a
page with the same ``run`` show the same moment, without the server (``shared/state/playhead.js``). The frames of
``epoch_slider`` are the list, each ``{"x", "label", "phase", "accuracy"}``; without it, the frames of
``decision_surfaces`` may carry the same fields beside their ``moment``. Frames of ``soft_targets`` and
``decision_surfaces`` name their ``moment``, and ``curves`` draws a line at its ``x``. Without a choice the latest
moment is shown, or the one that a playback of ``decision_surfaces`` has reached.

**Files.** Streamlit sends a component's script again with every update, so that script only imports the module, after
it has asked for all files of the component at once: otherwise each import would begin when the one before it is there.
``publish(folder)`` copies the modules as they are into a folder called after their content, below the static folder:
a changed file has a new address, and imports between modules stay relative.
"""

import hashlib
import json
import os
import posixpath
import re
import shutil
import time
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

import streamlit as st
from streamlit.components.v2.types import ComponentRenderer

_FOLDER: Final = Path(__file__).parent
KEPT: Final = 24 * 3600.0  # seconds for which another server may still use the files of a former version
# Plotly writes its styles into the head of the document and reads event targets there, so it does not work in a shadow
# root. Every class of ours begins with "dst", so the curves can do without one.
_UNISOLATED: Final = frozenset({"curves"})


def publish(folder: Path) -> None:
    """Copy Plotly and the components' files into Streamlit's static folder; call it before the first mount.

    Needs ``server.enableStaticServing``. Files that are there already and equal are left alone.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "plotly.min.js", (files("plotly") / "package_data" / "plotly.min.js").read_bytes())
    for name, content in _files().items():
        _write(folder / _published_name() / name, content)
    for former in folder.glob("components-*"):
        if former.name != _published_name() and former.stat().st_mtime < time.time() - KEPT:
            shutil.rmtree(former, ignore_errors=True)


@cache
def component(name: str) -> ComponentRenderer:
    """Return the mounting command of one component, registered with Streamlit at first use.

    Raises:
        ValueError: if there is no component of that name.
    """
    modules = _modules()
    if name not in modules:
        raise ValueError(f"No browser component {name!r}; there are {', '.join(sorted(modules))}.")
    values = {"FOLDER": f"app/static/{_published_name()}/", "FILES": _dependencies(modules[name])}
    constants = "".join(f"const {key} = {json.dumps(value)};\n" for key, value in values.items())
    loader = _files()["shared/loader.js"].decode().splitlines(keepends=True)
    script = constants + "".join(line for line in loader if not line.startswith("//"))
    return st.components.v2.component(f"distillery_{name}", js=script, isolate_styles=name not in _UNISOLATED)


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
    """Return a module and everything that it needs: imported modules and style sheets, directly or through others."""
    names = [module]
    for name in names:  # grows meanwhile
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
    """Write a file that another process may be serving: whole, or not at all."""
    if path.exists() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}")
    part.write_bytes(content)
    part.replace(path)
