"""Public names of ``kd_core``, and the cost of importing them."""

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import kd_core as kd
from kd_core.base.registry import plugins

ROOT = Path(__file__).parents[2]


def test_the_import_brings_no_torch() -> None:
    script = (
        "import sys, kd_core as kd; dir(kd); kd.__version__;"
        "sys.exit(any(name in sys.modules for name in ('torch', 'numpy', 'kd_core.base.registry')))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_public_name_can_be_had() -> None:
    for name in kd.__all__:
        assert getattr(kd, name) is not None
    assert sorted(kd.__all__) == dir(kd)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nothing"):
        kd.nothing  # noqa: B018


def test_every_public_function_and_class_is_documented() -> None:
    for name in kd.__all__:
        value = getattr(kd, name)
        if inspect.isfunction(value) or inspect.isclass(value):
            first = inspect.getdoc(value).splitlines()[0]
            assert first.endswith(".")


@pytest.mark.parametrize(
    ("namespace", "group"),
    [("losses", "methods"), ("models", "models"), ("datasets", "datasets"), ("schemes", "schemes")],
)
def test_a_namespace_holds_every_class_of_its_group(namespace: str, group: str) -> None:
    holder = getattr(kd, namespace)
    for cls in plugins(group).values():
        assert getattr(holder, cls.__name__) is cls
        assert cls.__name__ in dir(holder)
    with pytest.raises(AttributeError):
        holder.Nothing  # noqa: B018


def test_the_lists_name_the_choices() -> None:
    assert "dkd" in kd.list_methods()
    assert "mutual" in kd.list_schemes()
    assert "digits" in kd.list_datasets()
    assert "mlp" in kd.list_models()
    assert "mnist_soft_targets" in kd.list_presets()
    assert "few_labels" in kd.list_claims()
