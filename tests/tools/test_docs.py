"""The tables of the README come from the code, and its links lead to files."""

import re

import pytest

from tools import docs

TEXT = docs.README.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("part", "content"),
    [
        ("methods", docs.methods_table()),
        ("arrangements", docs.arrangements_table()),
        ("data", docs.data_table()),
        ("networks", docs.networks_table()),
        ("presets", docs.presets_table()),
    ],
)
def test_the_generated_parts_are_up_to_date(part: str, content: str) -> None:
    assert docs.put(TEXT, part, content) == TEXT, "run: make readme"


def test_every_result_stands_beside_the_command_that_gave_it() -> None:
    for command in docs.RESULTS:
        assert f"| `python -m kd_core {command}` | Baseline " in TEXT


def test_every_link_leads_to_a_file() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", TEXT):
        assert (docs.ROOT / target).exists(), target
