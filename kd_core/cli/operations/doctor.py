"""Command ``doctor``, which examines an installation and says how to mend it.

Nothing of the engine is imported before the check that needs it, so that a damaged installation can be examined.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.metadata
import json
import os
import platform
import re
import shutil
import socket
import sqlite3
import sys
import tempfile
import time
import tomllib
import urllib.request
from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from kd_core import __version__
from kd_core.base.paths import ROOT, data_folder, is_checkout
from kd_core.cli.operations.app import app_file, health_address

OK, NOTE, WARNING, PROBLEM = "ok", "note", "warning", "problem"
DISTRIBUTION = "distillery-lab"
MINIMUM_SQLITE = (3, 35)  # RETURNING
MINIMUM_FILES = 256  # open files, of which SQLite needs three for each thread that reads
MINIMUM_MEMORY = 5e8  # bytes that are available
LITTLE_SPACE, NO_SPACE = 2e9, 1e8  # bytes
MINIMUM_PASSWORD = 12  # characters: three guesses a second find a shorter word of a dictionary in hours
NETWORK_FILE_SYSTEMS = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "sshfs", "fuse.sshfs", "afs", "gluster", "ceph"}
VARIABLES = (
    "DISTILLERY_DATA", "DISTILLERY_DEVICE", "DISTILLERY_FOLDERS", "DISTILLERY_TRACK", "DISTILLERY_PLUGINS",
    "DISTILLERY_RAY", "DISTILLERY_RAY_MODULES",
    "DISTILLERY_PRESENTER_PASSWORD", "DISTILLERY_PRESENTERS", "DISTILLERY_MAX_QUEUED", "DISTILLERY_MAX_EPOCHS",
    "DISTILLERY_MAX_SWEEP", "DISTILLERY_MAX_UPLOAD_MB", "DISTILLERY_MAX_DISK_GB", "DISTILLERY_LOG",
    "DISTILLERY_METRICS",
)  # fmt: skip
LIBRARY, DEVELOPMENT = "", "dev"  # keys of requirements(), for the library itself and for its tests


@dataclass(frozen=True)
class Check:
    """One line of the report."""

    name: str
    state: str
    value: str
    cure: str = ""  # a sentence for whatever is not as it should be


def doctor(arguments: Namespace) -> int:
    """Examine the installation. Returns 1 if there is a problem, else 0."""
    results = list(examine(arguments.port))
    is_healthy = all(check.state != PROBLEM for check in results)
    if arguments.json:
        body = {"healthy": is_healthy, "checks": [asdict(check) for check in results]}
        print(json.dumps(body, ensure_ascii=False))
    else:
        width = max(len(check.name) for check in results)
        for check in results:
            print(f"{check.state:7}  {check.name:{width}}  {check.value}")
            if check.cure:
                print(f"{'':7}  {'':{width}}  {check.cure}")
    return 0 if is_healthy else 1


def examine(port: int) -> Iterator[Check]:
    """Yield all checks; one that itself breaks is a problem, and the others follow."""
    parts: tuple[tuple[str, Callable[[], Iterator[Check]]], ...] = (
        ("versions", _versions),
        ("optional packages", _optional_packages),
        ("devices", _devices),
        ("data folder", _folder),
        ("space", _space),
        ("limits", _limits),
        ("app", _app),
        ("port", lambda: _port(port)),
        ("settings", _settings),
        ("plug-ins", _plugins),
    )
    for name, part in parts:
        try:
            yield from part()
        except Exception as error:  # whatever is damaged
            yield Check(name, PROBLEM, f"{type(error).__name__}: {error}", "This check itself failed.")


# -- packages -------------------------------------------------------------------------------------------------------


def requirements() -> dict[str, list[str]]:
    """Return the requirements of the library and of each extra, as "torch>=2.14.1,<2.15"."""
    grouped: dict[str, list[str]] = {}
    if is_checkout():
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        grouped = {LIBRARY: project["dependencies"], **project["optional-dependencies"]}
        return {extra: [line for line in lines if DISTRIBUTION not in line] for extra, lines in grouped.items()}
    for line in importlib.metadata.requires(DISTRIBUTION) or ():
        requirement, _, marker = line.partition(";")
        extra = re.search(r"""extra == ["'](\w+)["']""", marker)
        grouped.setdefault(extra[1] if extra else LIBRARY, []).append(requirement.strip())
    return grouped


def bounds(requirement: str) -> tuple[str, tuple[int, ...], tuple[int, ...]]:
    """Return the name, the lowest version and the first version that is too high."""
    name = re.split(r"[<>=\[ ]", requirement, maxsplit=1)[0]
    limits = dict(re.findall(r"(>=|<)([\d.]+)", requirement))
    return name, _numbers(limits.get(">=", "0")), _numbers(limits.get("<", "999999"))


def _numbers(version: str) -> tuple[int, ...]:
    """Return the release numbers of a version, without local parts such as "+cpu" and without zeros at the end."""
    match = re.match(r"\d+(\.\d+)*", version)
    numbers = [int(number) for number in match[0].split(".")] if match else []
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)


def _installed(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _versions() -> Iterator[Check]:
    yield Check("Distillery", OK, f"{__version__} in {ROOT}")
    is_old = sys.version_info < (3, 11)
    cure = "Distillery needs Python 3.11 or newer." if is_old else ""
    yield Check("Python", PROBLEM if is_old else OK, f"{platform.python_version()}, {platform.platform()}", cure)
    is_old = sqlite3.sqlite_version_info < MINIMUM_SQLITE
    cure = f"SQLite {'.'.join(map(str, MINIMUM_SQLITE))} or newer is needed: install a newer Python." if is_old else ""
    yield Check("SQLite", PROBLEM if is_old else OK, sqlite3.sqlite_version, cure)
    for requirement in requirements()[LIBRARY]:
        yield _package(requirement)


def _package(requirement: str) -> Check:
    name, low, high = bounds(requirement)
    version = _installed(name)
    if not version:
        return Check(name, PROBLEM, "not installed", f'Install it: pip install "{requirement}"')
    if not low <= _numbers(version) < high:
        return Check(name, WARNING, version, f'Not tested with this version: pip install "{requirement}"')
    return Check(name, OK, version)


def _optional_packages() -> Iterator[Check]:
    for extra, wanted in requirements().items():
        if extra in (LIBRARY, DEVELOPMENT):
            continue
        checks = [_package(requirement) for requirement in wanted]
        missing = [check.name for check in checks if check.state == PROBLEM]
        untested = [f"{check.name} {check.value}" for check in checks if check.state == WARNING]
        present = [f"{check.name} {check.value}" for check in checks if check.state == OK]
        install = f'Install what this offers: pip install "{DISTRIBUTION}[{extra}]", or ".[{extra}]" in a checkout.'
        if missing:
            yield Check(f"extra {extra}", NOTE, f"without {', '.join(missing)}", install)
        elif untested:
            yield Check(f"extra {extra}", WARNING, f"not tested with {', '.join(untested)}", install)
        else:
            yield Check(f"extra {extra}", OK, ", ".join(present))


# -- machine --------------------------------------------------------------------------------------------------------


def _devices() -> Iterator[Check]:
    try:
        torch = importlib.import_module("torch")
        importlib.import_module("torchvision")
    except Exception as error:  # a missing library of the system, or two versions that do not belong together
        cure = "Install torch and torchvision together, in the versions of requirements.txt."
        yield Check("import torch", PROBLEM, f"{type(error).__name__}: {error}", cure)
        return
    from kd_core.base import devices

    for device in devices.list_devices():
        memory = f", {device.memory_in_words()}" if device.memory else ""
        yield Check("device", OK, f"{device.name}, {device.title}{memory}")
    if torch.version.cuda and not torch.cuda.is_available() and Path("/proc/driver/nvidia").exists():
        cure = f"Install the driver that CUDA {torch.version.cuda} needs, or give the container its cards (--gpus all)."
        yield Check("CUDA", WARNING, "there is a card that torch cannot use", cure)
    try:
        yield Check("runs train on", OK, ", ".join(devices.default_devices()))
    except ValueError as error:
        yield Check("runs train on", PROBLEM, str(error), "Change or remove DISTILLERY_DEVICE.")


def _folder() -> Iterator[Check]:
    from kd_core.files.lock import is_data_folder_in_use
    from kd_core.store import backup
    from kd_core.store.store import DATABASE

    folder = data_folder()
    if not folder.exists():
        yield Check("data folder", OK, f"{folder}, made with the first run")
        return
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        cure = "Give this user the right to write there, or name another folder with DISTILLERY_DATA."
        yield Check("data folder", PROBLEM, f"{folder} cannot be written to", cure)
        return
    is_in_use = is_data_folder_in_use(folder)
    yield Check("data folder", OK, f"{folder}" + (", in use by an app or a terminal" if is_in_use else ""))
    if (kind := _file_system(folder)) in NETWORK_FILE_SYSTEMS:
        cure = "SQLite's log needs memory that processes share, which a network file system lacks: use a local disk."
        yield Check("file system", WARNING, kind, cure)
    path = folder / DATABASE
    if not path.exists():
        return
    try:
        backup.check(path)
    except ValueError as error:
        cure = "distillery folder restore BACKUP --replace puts a backup in its place."
        yield Check("database", PROBLEM, str(error), cure)
        return
    with sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True) as db:
        count, last = db.execute("SELECT count(*), max(created) FROM runs").fetchone()
        free, pages, size = (
            db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("freelist_count", "page_count", "page_size")
        )
    db.close()
    megabytes = f"{count} runs, {backup.size_of(path) / 1e6:.1f} MB"
    if free > pages / 2 and free * size > 1e7:
        cure = "distillery folder vacuum gives it back to the disk."
        yield Check("database", NOTE, f"{megabytes}, {free / pages:.0%} of it free", cure)
    else:
        yield Check("database", OK, megabytes)
    if last is not None and last > time.time() + 60:
        cure = "Set the clock of this machine; new runs are listed below older ones until then."
        yield Check("clock", WARNING, "the newest run begins in the future", cure)
    links = [one.name for kind in ("runs", "sweeps") for one in folder.glob(f"{kind}/*") if one.is_symlink()]
    if links:
        cure = "Put the folders themselves in place of the symbolic links; such a run cannot be resumed."
        yield Check("links", WARNING, ", ".join(links), cure)


def _file_system(folder: Path) -> str:
    """Return the kind of file system of a folder; "" where the system has no list of them."""
    mounts = Path("/proc/mounts")
    if not mounts.exists():
        return ""
    kinds = {}
    for line in mounts.read_text(encoding="utf-8", errors="replace").splitlines():
        _, place, kind, *_ = line.split(" ")
        kinds[place.replace("\\040", " ")] = kind
    path = folder.resolve()
    return next((kinds[str(parent)] for parent in (path, *path.parents) if str(parent) in kinds), "")


def _space() -> Iterator[Check]:
    folder = data_folder()
    existing = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
    yield _free("space for data", existing, "Delete runs, or name a folder on a larger disk with DISTILLERY_DATA.")
    try:
        temporary = Path(tempfile.gettempdir())
    except FileNotFoundError as error:
        cure = "Name a folder that can be written to with TMPDIR."
        yield Check("temporary files", PROBLEM, error.strerror or str(error), cure)
        return
    yield _free("temporary files", temporary, "Free some space there, or name another folder with TMPDIR.")


def _free(name: str, folder: Path, cure: str) -> Check:
    free = shutil.disk_usage(folder).free
    state = PROBLEM if free < NO_SPACE else WARNING if free < LITTLE_SPACE else OK
    return Check(name, state, f"{free / 1e9:.1f} GB free in {folder}", "" if state == OK else cure)


def _limits() -> Iterator[Check]:
    memory = Path("/proc/meminfo")
    available = re.search(r"MemAvailable: +(\d+) kB", memory.read_text(encoding="utf-8")) if memory.exists() else None
    if available:
        size = int(available[1]) * 1024
        cure = "Close other programs, or the system may end a run for want of memory." * (size < MINIMUM_MEMORY)
        yield Check("memory", WARNING if cure else OK, f"{size / 1e9:.1f} GB available", cure)
    try:
        import resource
    except ImportError:  # Windows has no such limits
        return
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    is_low = files != resource.RLIM_INFINITY and files < MINIMUM_FILES
    yield Check("open files", WARNING if is_low else OK, f"at most {files}", "Raise it: ulimit -n 1024" * is_low)


def _app() -> Iterator[Check]:
    static = app_file().parent / "static"
    is_published = any(static.glob("components-*")) and (static / "plotly.min.js").exists()
    existing = next(parent for parent in (static, *static.parents) if parent.exists())
    if is_published or os.access(existing, os.W_OK):
        yield Check("app", OK, f"{app_file()}")
        return
    cure = "The app writes its browser files there when it starts: start it once as a user who may write there."
    yield Check("app", PROBLEM, f"{static} cannot be written to", cure)


def _port(port: int) -> Iterator[Check]:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        is_taken = probe.connect_ex(("127.0.0.1", port)) == 0
    if not is_taken:
        yield Check(f"port {port}", OK, "free")
        return
    try:
        with urllib.request.urlopen(health_address(port), timeout=2) as response:
            is_app = response.read(16).strip() == b"ok"
    except OSError:
        is_app = False
    if is_app:
        yield Check(f"port {port}", OK, f"an app answers on http://127.0.0.1:{port}")
    else:
        cure = f"Choose another port: distillery app --port {port + 1}"
        yield Check(f"port {port}", WARNING, "taken by another program", cure)


# -- settings -------------------------------------------------------------------------------------------------------


def _settings() -> Iterator[Check]:
    names = sorted(name for name in os.environ if name.startswith("DISTILLERY_"))
    yield Check("variables", OK, ", ".join(names) or "none set")
    for name in set(names) - set(VARIABLES):
        near = difflib.get_close_matches(name, VARIABLES, 1)
        cure = f"Did you mean {near[0]}?" if near else "Remove it: Distillery does not read it."
        yield Check(name, WARNING, "is no variable of Distillery", cure)
    for name in VARIABLES:
        text = os.environ.get(name, "").strip()
        if name.startswith("DISTILLERY_MAX_") and text and not (text.isascii() and text.isdecimal()):
            yield Check(name, PROBLEM, f'"{text}"', "Give a whole number, or 0 for no limit.")
    password = os.environ.get("DISTILLERY_PRESENTER_PASSWORD", "")
    if password and len(password) < MINIMUM_PASSWORD:
        cure = f"Choose one of {MINIMUM_PASSWORD} characters or more, such as four words."
        yield Check("password", WARNING, f"{len(password)} characters", cure)
    if (
        os.environ.get("STREAMLIT_SERVER_ADDRESS", "127.0.0.1") not in ("127.0.0.1", "localhost", "::1")
        and not password
    ):
        cure = "Set DISTILLERY_PRESENTER_PASSWORD; until then nobody on another machine may start anything."
        yield Check("network", NOTE, "open to other machines, without a password", cure)


def _plugins() -> Iterator[Check]:
    from kd_core.base import registry

    sentences = registry.problems()
    yield from (Check("plug-in", WARNING, sentence) for sentence in sentences)
    if not sentences:
        yield Check("plug-ins", OK, "all can be used")
