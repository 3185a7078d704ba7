"""Finds a Chrome or Chromium on this machine, or obtains one: ``python -m tools.chromium``."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
PLACES = (
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
    """The path of a browser that starts; CHROME in the environment goes first."""
    from playwright.sync_api import sync_playwright

    candidates = [os.environ.get("CHROME"), *map(shutil.which, NAMES), *PLACES]
    with sync_playwright() as playwright:
        candidates.append(playwright.chromium.executable_path)
    return next((path for path in candidates if path and Path(path).exists() and _starts(path)), None)


def obtain() -> str:
    """A browser's path; installs one if there is none. Exits with a sentence where that fails too."""
    path = find()
    attempts = [[sys.executable, "-m", "playwright", "install", "chromium"]]
    if shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0:
        attempts.insert(0, ["sh", "-c", "apt-get update -qq && apt-get install -y -qq chromium"])
    while path is None and attempts:
        subprocess.run(attempts.pop(0), check=False)
        path = find()
    if path is None:
        sys.exit("The browser tests need Chrome or Chromium: install one, or set CHROME to its path.")
    return path


def _starts(path: str) -> bool:
    # Distributions ship placeholders under these names that only say how to install the real browser.
    try:
        return subprocess.run([path, "--version"], capture_output=True, timeout=30, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


if __name__ == "__main__":
    print(obtain())
