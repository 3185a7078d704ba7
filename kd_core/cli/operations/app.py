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
# Streamlit's lines before the first page is opened, which would not be JSON.
SILENT = {"STREAMLIT_LOGGER_LEVEL": "warning", "STREAMLIT_LOGGER_HIDE_WELCOME_MESSAGE": "true"}
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
    if os.environ.get("DISTILLERY_LOG", "").strip().lower() == "json":
        os.environ |= SILENT
    else:
        print(f"Distillery: http://127.0.0.1:{port}  (Ctrl-C ends it)", flush=True)
    if sys.platform != "win32":
        os.execv(sys.executable, command)  # signals reach the server itself
    return subprocess.run(command, check=False).returncode


def health_address(port: int) -> str:
    """Return the address by which the app on a port of this machine says that it is healthy."""
    base = os.environ.get("STREAMLIT_SERVER_BASE_URL_PATH", "").strip("/")
    return f"http://127.0.0.1:{port}/{base}{'/' if base else ''}_stcore/health"


def app_file() -> Path:
    """Return the script of the app in the checkout or inside the installed package."""
    return ROOT / "app.py" if is_checkout() else ROOT / "kd_core" / "_app" / "app.py"
