"""Methods by what they apply to, for tests that train each of them on classes."""

from __future__ import annotations

from kd_core.base.registry import plugins
from kd_core.methods import Method

BY_NAME: dict[str, type[Method]] = {
    name: cls for name, cls in plugins("methods").items() if issubclass(cls, Method) and cls.takes_classes
}
