"""Tests of the documents, their links and their generated parts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kd_core.base.registry import plugins
from tools import docs

WRITTEN = [docs.ROOT / "README.md", docs.ROOT / "CONTRIBUTING.md", *sorted(docs.DOCS.rglob("*.md"))]


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: str(page.relative_to(docs.ROOT)))
def test_every_link_leads_to_a_file(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


@pytest.mark.slow
def test_the_generated_parts_are_up_to_date() -> None:
    assert docs.outdated() == []


def test_the_readme_is_short() -> None:
    assert len((docs.ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


@pytest.mark.parametrize("group", ["methods", "schemes", "datasets", "models"])
def test_the_readme_counts_no_more_than_there_are(group: str) -> None:
    """More may have been added since."""
    words = {"methods": "methods", "schemes": "distillation schemes", "datasets": "data sets", "models": "families"}
    count = re.search(rf"\[(\d+) {words[group]}", (docs.ROOT / "README.md").read_text(encoding="utf-8"))
    assert count is not None
    assert 10 <= int(count[1]) <= len(plugins(group))


PAGE = "# Data\n\n| digits |\n| moons |\n\n## digits\n\nImages.\n\n## moons\n\nPoints."


def test_a_page_stays_current_when_a_plug_in_is_added() -> None:
    added = PAGE.replace("| moons |", "| letters |\n| moons |").replace("## moons", "## letters\n\nNew.\n\n## moons")
    assert docs.changed_sections(PAGE, added) == []


@pytest.mark.parametrize(
    ("generated", "changed"),
    [
        (PAGE.replace("Images", "Pictures"), ["digits"]),
        (PAGE.replace("\n\n## moons\n\nPoints.", ""), ["moons"]),
        (PAGE.replace("| moons |", "| circles |"), [""]),
    ],
)
def test_a_page_is_outdated_when_a_plug_in_changes_or_goes(generated: str, changed: list[str]) -> None:
    assert docs.changed_sections(PAGE, generated) == changed


@pytest.mark.parametrize("page", sorted((docs.DOCS / "decisions").glob("0*.md")), ids=lambda page: page.stem)
def test_a_decision_has_a_status_and_stands_in_the_index(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    status = re.search(r"^- Status: (accepted|rejected|superseded by (\d{4}))$", text, re.MULTILINE)
    assert status is not None
    assert status[2] is None or list(page.parent.glob(f"{status[2]}-*.md"))
    title = text.splitlines()[0].split(". ", 1)[1]
    assert f"[{title}]({page.name})" in (page.parent / "index.md").read_text(encoding="utf-8")
