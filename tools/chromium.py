"""Search for Chrome or Chromium on this machine, and its installation.

``python -m tools.chromium`` installs a browser if there is none, and prints its path.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

# The first has no window, and opens a page in two thirds of the processor time.
NAMES = (
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "msedge",
)
PATHS = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe",
)
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def find() -> str | None:
    """Return the path of a browser that starts, or None. The environment variable CHROME has precedence."""
    from playwright.sync_api import sync_playwright

    candidates = [os.environ.get("CHROME"), *map(shutil.which, NAMES), *PATHS]
    with sync_playwright() as playwright:
        candidates.append(playwright.chromium.executable_path)
    return next((path for path in candidates if path and Path(path).exists() and _starts(path)), None)


def find_or_install() -> str:
    """Return the path of a browser and install one if there is none. Exits with a message if that fails."""
    path = find()
    attempts = [[sys.executable, "-m", "playwright", "install", "chromium"]]
    if shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0:
        install = "apt-get install -y -qq"
        attempts.insert(0, ["sh", "-c", f"apt-get update -qq; {install} {NAMES[0]} || {install} {NAMES[1]}"])
    while path is None and attempts:
        subprocess.run(attempts.pop(0), check=False)
        path = find()
    if path is None:
        sys.exit("The browser tests need Chrome or Chromium: install one, or set CHROME to its path.")
    return path


def _starts(path: str) -> bool:
    # Distributions ship placeholders under these names, which only print how to install the browser.
    try:
        return subprocess.run([path, "--version"], capture_output=True, timeout=30, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


if __name__ == "__main__":
    print(find_or_install())
