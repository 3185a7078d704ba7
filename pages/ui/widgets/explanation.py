"""Paragraphs of text in which the terms of the glossary have their definitions in place."""

from __future__ import annotations

from kd_core.base.marks import unbroken
from pages.ui.components import component
from pages.ui.widgets.text import glossary


def explanation(key: str, *paragraphs: str) -> None:
    """Show plain text, each term of the glossary as a button for its definition where it first occurs."""
    marked: set[str] = set()
    segments = [glossary.segments(unbroken(paragraph), marked) for paragraph in paragraphs]
    mounted = component("explanation")
    mounted(key=key, data={"paragraphs": segments})
