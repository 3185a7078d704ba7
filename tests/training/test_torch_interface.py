"""Parts of torch outside of its stable interface."""

import re
from pathlib import Path

import kd_core

PRIVATE = re.compile(r"torch\._[a-z]|from torch import _|ops\.aten|torch\.fx\.experimental|nn\.modules\.\w+\._")
ONLY = "training/vectorized/compilation.py"


def test_only_the_compiler_uses_private_parts_of_torch() -> None:
    folder = Path(kd_core.__file__).parent
    files = {str(path.relative_to(folder)) for path in folder.rglob("*.py") if PRIVATE.search(path.read_text("utf-8"))}
    assert files == {ONLY}, f"move this to kd_core/{ONLY}, with something that works without it"


def test_the_private_parts_of_torch_are_still_there() -> None:
    """Without them steps stay eager; use ``torch.compile`` in compilation.py, or drop the option."""
    from torch import _inductor
    from torch.fx.experimental.proxy_tensor import make_fx

    assert callable(make_fx)
    assert callable(_inductor.compile)
