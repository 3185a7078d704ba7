"""Command ``app``, which starts the browser app."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

from kd_core.base.paths import ROOT, is_checkout

LAST_PORT = 65535
EXTRA = ("streamlit", "plotly", "pandas")


def app(arguments: Namespace) -> int:
    """Start the server of the app, and run it until it is ended."""
    if not 1 <= arguments.port <= LAST_PORT:
        raise ValueError(f"port = {arguments.port}: choose a whole number from 1 to {LAST_PORT}.")
    missing = [name for name in EXTRA if importlib.util.find_spec(name) is None]
    if missing:
        raise RuntimeError(
            f"The app needs {', '.join(missing)}, which is not installed: pip install {' '.join(missing)}."
        )
    port = str(arguments.port)
    command = [sys.executable, "-m", "streamlit", "run", str(app_file()), "--server.port", port]
    print(f"Distillery: http://127.0.0.1:{port}  (Ctrl-C ends it)", flush=True)
    if sys.platform != "win32":
        os.execv(sys.executable, command)  # signals reach the server itself
    return subprocess.run(command, check=False).returncode


def app_file() -> Path:
    """Return the script of the app in the checkout or inside the installed package."""
    return ROOT / "app.py" if is_checkout() else ROOT / "kd_core" / "_app" / "app.py"
