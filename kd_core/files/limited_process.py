"""Function calls in a process of their own with limits of memory, time and file size."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

MEMORY = 4_000_000_000  # bytes beyond what the imported modules take; limited on Linux alone
SECONDS = 120  # of processor time, and twice as much of waiting
RESULT = "result.json"
# What a process needs of the environment; whatever else is there is none of its business.
VARIABLES = ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT", "LANG", "LC_ALL")
CODE = (
    "import json, sys; path, *rest = json.loads(sys.argv[1]); sys.path[:] = path; "
    "from kd_core.files.limited_process import run; run(*rest)"
)


class LimitError(RuntimeError):
    """The process was ended, since it exceeded a limit or crashed."""


def call(target: str, *arguments: str | int, folder: Path | None = None, memory: int = MEMORY) -> str:
    """Call ``module:function`` in a new process and return the text that it returns.

    The process has no environment variables of the caller, one thread, and a folder as its working directory and home.

    Args:
        target: The function. Its first argument is the folder.
        arguments: Its other arguments.
        folder: Where it may write; by default a temporary one, which is removed afterwards.
        memory: Bytes that it may take.

    Raises:
        ValueError: The function has raised one, with this sentence.
        LimitError: It was too large or too slow, or has crashed.
    """
    if folder is None:
        with tempfile.TemporaryDirectory() as temporary:
            return call(target, *arguments, folder=Path(temporary), memory=memory)
    environment = {name: os.environ[name] for name in VARIABLES if name in os.environ}
    environment |= {"HOME": str(folder), "TMPDIR": str(folder), "OMP_NUM_THREADS": "1"}
    environment |= {"TORCH_FORCE_WEIGHTS_ONLY_LOAD": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    paths = [str(Path(entry or ".").resolve()) for entry in sys.path]
    text = json.dumps([paths, target, str(folder), memory, list(arguments)])
    result = folder / RESULT
    result.unlink(missing_ok=True)
    try:
        subprocess.run(
            [sys.executable, "-I", "-c", CODE, text], cwd=folder, env=environment, check=False, timeout=2 * SECONDS,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        outcome = json.loads(result.read_text(encoding="utf-8"))
    except (subprocess.TimeoutExpired, OSError, ValueError) as error:
        raise LimitError(f"more than {memory / 1e9:g} GB of memory or {SECONDS} s, or a crash") from error
    if "refused" in outcome:
        raise ValueError(outcome["refused"])
    if "failed" in outcome:
        raise LimitError(outcome["failed"])
    return str(outcome["result"])


def run(target: str, folder: str, memory: int, arguments: Sequence[str | int]) -> None:
    """Call the function within the limits and write its result; :func:`call` calls this in the new process."""
    import importlib

    module, function = target.split(":")
    called = getattr(importlib.import_module(module), function)
    _set_limits(memory)
    try:
        outcome = {"result": called(Path(folder), *arguments)}
    except ValueError as error:
        outcome = {"refused": str(error)}
    except BaseException as error:
        outcome = {"failed": f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"}
    Path(folder, RESULT).write_text(json.dumps(outcome), encoding="utf-8")


def _set_limits(memory: int) -> None:
    """Set the limits of this process, as far as the system has any."""
    if sys.platform == "win32":
        return
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (memory, memory))
    if sys.platform == "linux":
        present = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (present + memory, present + memory))
