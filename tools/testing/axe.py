"""Accessibility check of a page in a real browser, by axe-core.

``npm ci`` installs axe-core with the other checks of the browser code.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from tools.testing.drawn_page import wait_until_drawn

SCRIPT = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
# The rules of WCAG 2.2, level AA, and those that axe-core calls best practice.
TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")


def violations(page: Page, *rules: str) -> list[str]:
    """Return a line for every element that breaks a rule, shadow roots included; without ``rules`` any of them.

    Waits until the page is drawn, since what is only half faded in has too little contrast. Raises FileNotFoundError
    where axe-core is not installed.
    """
    if not SCRIPT.exists():
        raise FileNotFoundError(f"{SCRIPT} is missing: run npm ci.")
    wait_until_drawn(page)
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(SCRIPT.read_text(encoding="utf-8"))
    chosen = {"type": "rule", "values": list(rules)} if rules else {"type": "tag", "values": list(TAGS)}
    options = {"runOnly": chosen, "resultTypes": ["violations"]}
    result: dict[str, Any] = page.evaluate("options => axe.run(document, options)", options)
    return [
        f"{violation['id']}: {node['target']} {node['html'][:200]} {node.get('failureSummary', '')[:300]}"
        for violation in result["violations"]
        for node in violation["nodes"]
    ]
