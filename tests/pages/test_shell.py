from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_frame_of_a_page_is_drawn_without_waiting_for_the_engine() -> None:
    asked = "import sys, pages.ui.app.shell; print({'torch', 'pandas'} & set(sys.modules))"
    said = subprocess.run([sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "set()"
