"""Colours, line styles and markers of charts, as :mod:`kd_core.base.marks` declares them."""

from kd_core.base.marks import CLASS_GLYPHS, CLASS_MARKERS, CLASSES, EXTRA_COLOURS, ROLES, Role, Theme

__all__ = ["CLASSES", "CLASS_GLYPHS", "CLASS_MARKERS", "EXTRA_COLOURS", "ROLES", "Role", "Theme"]
