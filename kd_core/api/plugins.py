"""Names of everything that can be chosen."""

from __future__ import annotations

from kd_core.base.registry import plugins
from kd_core.config import presets
from kd_core.config.claims import claims


def list_methods() -> list[str]:
    """Return the names of all losses, for ``loss=``."""
    return list(plugins("methods"))


def list_schemes() -> list[str]:
    """Return the names of all distillation schemes, for ``scheme=``."""
    return list(plugins("schemes"))


def list_datasets() -> list[str]:
    """Return the names of all data sets, for ``dataset=``."""
    return list(plugins("datasets"))


def list_models() -> list[str]:
    """Return the names of all families of networks, for ``teacher=`` and ``student=``."""
    return list(plugins("models"))


def list_presets() -> list[str]:
    """Return the names of all published experiments."""
    return [preset.name for preset in presets.all_presets()]


def list_claims() -> list[str]:
    """Return the names of all claims, which the command ``distillery claims NAME`` tests."""
    return list(claims())
