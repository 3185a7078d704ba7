"""The README is executed: its tables come from the code, its example is a method, its links lead somewhere."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

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


def test_a_method_in_one_new_file_appears_everywhere_and_trains(tmp_path: Path) -> None:
    """On a copy of the project: the example of the README, dropped into the folder, with no other edit."""
    for name in ("kd_core", "pages", "tests", "tools"):
        shutil.copytree(docs.ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(docs.ROOT / "app.py", tmp_path)
    (example,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    (tmp_path / "kd_core" / "methods" / "directions.py").write_text(example, encoding="utf-8")
    script = """
import sys
from kd_core.__main__ import main
from kd_core.cli.choices import list_choices
assert "directions" in [choice["name"] for choice in list_choices()["methods"]]
from tools.docs import methods_table
assert "`directions`" in methods_table()
from streamlit.testing.v1 import AppTest
app = AppTest.from_file("app.py", default_timeout=60)
app.query_params["autoplay"] = "0"
app.run()
app.switch_page("pages/distill.py").run()
app.selectbox(key="set method").select("directions").run()
assert r"2 \\cdot (1 - \\cos)" in app.latex[0].value and app.query_params["method"] == "directions"
assert "Weight of the directions" in [box.label for box in app.number_input]
chosen = "dataset=moons method=directions weight=0.3 epochs=2 teacher_epochs=1 --ephemeral --json"
sys.exit(main(["train", *chosen.split()]))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert '"directions":[' in done.stdout
    where = ("tests/methods/test_promises.py", "tests/test_plugin_contract.py")
    tests = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "directions", *where)
    shutil.copy(docs.ROOT / "pyproject.toml", tmp_path)
    done = subprocess.run(
        [sys.executable, *tests], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout
