"""Optional packages and how to get them."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence


def missing_packages(what: str, packages: Sequence[str], install: str) -> str:
    """Return a sentence that says what to install for ``what``; "" if all its packages are installed."""
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    return f"{what} needs {', '.join(missing)}: pip install {install}." if missing else ""
